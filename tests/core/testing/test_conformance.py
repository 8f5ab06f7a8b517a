"""The conformance suite catches what it is there to catch, cannot be weakened unseen, and says what it found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from click.testing import CliRunner

from llms_core import cli
from llms_core.errors import ConfigError
from llms_core.testing import Reply, ScriptedUpstream, Seen, completion, error
from llms_core.testing import wire as wires
from llms_core.testing.conformance import MetaTests, ProviderConformance, weakened
from llms_core.testing.framing import encoded
from llms_core.testing.groups.base import Group
from llms_core.testing.groups.wire import WireTests
from llms_core.testing.openai_wire import OPENAI
from llms_core.testing.reading import ContractError, read_stream, read_whole
from llms_core.testing.result import Case, Result, State, group_of
from llms_core.testing.subject import Subject, find
from llms_core.upstream.aws_event_stream import EventStreamMessages

PLUGIN = """
import json
from llms_core import ErrorKind, ProviderError, Unsupported, hookimpl
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion
from llms_core.openai_compatible import OpenAIChunks, OpenAICompatible
from llms_core.provider import ProviderSpec

{code}

@hookimpl
def llms_providers():
    return [ProviderSpec(name="{name}", adapter=Broken, title="Broken", base_url="https://api.broken.test/v1")]
"""

CHUNKS = """
        class Broken(OpenAICompatible):
            def chunks(self, call):
                return Chunks(self, call)
"""

#: A fault of an adapter's, and the groups that have to catch it; no other may fail.
BROKEN: dict[str, tuple[str, str]] = {
    "takes_every_stream_for_complete": (
        """
        class Chunks(OpenAIChunks):
            def feed(self, event, data):
                for chunk in super().feed(event, data):
                    said = json.loads(chunk.data)
                    for choice in said["choices"]:
                        choice["finish_reason"] = choice["finish_reason"] or "stop"
                    yield Chunk(json.dumps(said).encode(), chunk.content, chunk.begun, chunk.begun, chunk.usage)
        """
        + CHUNKS,
        "STF",
    ),
    "loses_the_index_of_tool_calls": (
        """
        class Chunks(OpenAIChunks):
            def feed(self, event, data):
                for chunk in super().feed(event, data):
                    said = json.loads(chunk.data)
                    for choice in said["choices"]:
                        for call in choice["delta"].get("tool_calls") or ():
                            call["index"] = 0
                    chunk.data = json.dumps(said).encode()
                    yield chunk
        """
        + CHUNKS,
        "ST",
    ),
    "buffers": (
        """
        class Chunks(OpenAIChunks):
            held = ()
            def feed(self, event, data):
                self.held = [*self.held, *super().feed(event, data)]
                if any(chunk.ended for chunk in self.held):
                    chunks, self.held = self.held, ()
                    yield from chunks
        """
        + CHUNKS,
        "S",
    ),
    "shares_a_stream": (
        """
        class Broken(OpenAICompatible):
            only = None
            def chunks(self, call):
                self.only = self.only or OpenAIChunks(self, call)
                return self.only
        """,
        "ST",
    ),
    "puts_the_key_into_the_url": (
        """
        class Broken(OpenAICompatible):
            def request(self, call):
                request = super().request(call)
                request.url += f"?key={self.api_key.reveal()}"
                return request
        """,
        "W",
    ),
    "logs_the_key": (
        """
        import logging
        class Broken(OpenAICompatible):
            def headers(self):
                logging.getLogger("broken").info("sent with %s", super().headers())
                return super().headers()
        """,
        "WF",
    ),
    "drops_silently": (
        """
        class Broken(OpenAICompatible):
            def request(self, call):
                for name in [name for name in call.members if name not in ("model", "messages", "stream", "tools")]:
                    if name in ("seed", "user", "mark_of_unknown"):
                        del call.members[name]
                return super().request(call)
        """,
        "W",
    ),
    "sends_the_clients_name_of_the_model": (
        """
        class Broken(OpenAICompatible):
            def request(self, call):
                call.upstream_model = call.client_model
                return super().request(call)
        """,
        "W",
    ),
    "takes_errors_for_answers": (
        """
        class Broken(OpenAICompatible):
            def completion(self, call, body):
                try:
                    return super().completion(call, body)
                except ProviderError as error:
                    choice = {"index": 0, "message": {"role": "assistant", "content": error.message}}
                    said = {"id": "x", "object": "chat.completion", "created": 1, "model": call.client_model}
                    choices = [{**choice, "finish_reason": "stop"}]
                    return Completion(json.dumps({**said, "choices": choices}).encode())
        """,
        "ESF",
    ),
    "expects_every_error_to_be_json": (
        """
        class Broken(OpenAICompatible):
            def error(self, status, headers, body):
                return ProviderError(super().error(status, headers, body).kind, json.loads(body)["error"]["message"])
        """,
        "WE",
    ),
    "takes_every_error_for_the_clients": (
        """
        class Broken(OpenAICompatible):
            def error(self, status, headers, body):
                found = super().error(status, headers, body)
                found.kind = ErrorKind.INVALID_REQUEST
                return found
        """,
        "E",
    ),
    "counts_wrongly": (
        """
        class Broken(OpenAICompatible):
            def completion(self, call, body):
                found = super().completion(call, body)
                said = json.loads(found.data)
                if said.get("usage"):
                    said["usage"] = {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 17}
                return Completion(json.dumps(said).encode(), found.usage)
        """,
        "RT",
    ),
    "claims_what_it_refuses": (
        """
        class Broken(OpenAICompatible):
            def request(self, call):
                if any(isinstance(message.content, list) and message.content[-1].image_url
                       for message in call.request.messages):
                    raise Unsupported("no images")
                return super().request(call)
        """,
        "C",
    ),
    "hoards": (
        """
        class Chunks(OpenAIChunks):
            seen = b""
            def feed(self, event, data):
                self.seen += data
                return super().feed(event, data)
        """
        + CHUNKS,
        "P",
    ),
    "works_at_import": (
        """
        import socket
        import time
        time.sleep(0.15)
        socket.create_server(("127.0.0.1", 0)).close()
        Broken = OpenAICompatible
        """,
        "P",
    ),
}

#: The groups that a fault is looked for with: the servers and clocks of F and P only where they have to catch it.
CLASSES = """
import pytest
from llms_core.testing.conformance import {imports}

{classes}
"""

EXEMPT = '''
class TestExempt(ProviderConformance):
    provider = "groq"

    @pytest.mark.xfail(strict=True, reason="Groq never says so")
    def test_w_question_arrives(self, subject):
        """It does."""
        raise AssertionError


class TestWeak(ProviderConformance):
    provider = "mistral"
    test_w_unicode_arrives = None

    def test_w_question_arrives(self, subject):
        """Nothing."""
'''


def run(folder: Path, *arguments: str) -> tuple[int, Any, str]:
    """pytest, as an author runs it: its exit code, the JSON and its output."""
    result = folder / "conformance.json"
    ours = ["-p", "llms_core.testing.plugin", f"--llms-json={result}", "-p", "no:cacheprovider", "-q", "--tb=line"]
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, f"--rootdir={folder}", *ours, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=150, check=False)
    found = json.loads(result.read_text("utf-8")) if result.is_file() else None
    return done.returncode, found, done.stdout + done.stderr


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results of all broken adapters, each a one-file plugin that plugins.toml loads; one run for them all."""
    folder = tmp_path_factory.mktemp("broken")
    classes = []
    for name, (code, groups) in BROKEN.items():
        (folder / f"{name}.py").write_text(PLUGIN.format(name=name, code=dedent(code)), "utf-8")
        bases = ["Translation"] + ["FailoverTests"] * ("F" in groups) + ["PerformanceTests"] * ("P" in groups)
        classes.append(f'class Test{name}({", ".join(bases)}):\n    provider = "{name}"')
    load = json.dumps([f"{name}.py" for name in BROKEN])
    (folder / "plugins.toml").write_text(f"[plugins]\nload = {load}\n", "utf-8")
    imports = "FailoverTests, PerformanceTests, Translation"
    (folder / "test_broken.py").write_text(CLASSES.format(imports=imports, classes="\n\n".join(classes)), "utf-8")
    quick = ("-k", "not test_s_split_anywhere and not test_s_cut_at_every_byte")
    _, results, output = run(folder, "--llms-plugins", str(folder / "plugins.toml"), "test_broken.py", *quick)
    assert results, output
    return {result["provider"]: result for result in results}


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_adapter_is_caught_by_the_right_groups(broken: dict[str, Any], name: str) -> None:
    result = broken[name]
    caught = {group for group, counts in result["groups"].items() if counts["failed"]}
    assert caught == set(BROKEN[name][1]), result["failed"]
    assert result["level"] in (None, "bronze", "silver")


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results of a package's own test classes: one that says what it is exempt from, and one that is weakened."""
    folder = tmp_path_factory.mktemp("declared")
    (folder / "test_own.py").write_text(CLASSES.format(imports="ProviderConformance", classes=EXEMPT), "utf-8")
    code, results, output = run(folder, "test_own.py", "-k", "test_w_ or test_r_ or test_e_ or test_m_")
    assert code == 1, output
    return {result["provider"]: result for result in results}


@pytest.mark.slow
def test_what_a_provider_is_exempt_from_is_listed_with_its_reason(declared: dict[str, Any]) -> None:
    result = declared["groq"]
    assert result["level"] == "bronze"
    assert result["xfailed"] == [{"test": "test_w_question_arrives", "reason": "Groq never says so"}]
    assert result["groups"]["W"]["xfailed"] == 1
    assert not result["failed"]


@pytest.mark.slow
def test_a_weakened_class_fails_and_reaches_no_level(declared: dict[str, Any]) -> None:
    result = declared["mistral"]
    assert [failure["test"] for failure in result["failed"]] == ["test_m_nothing_is_weakened"]
    assert result["level"] is None
    assert result["groups"]["W"]["lacking"] == "1 not run"


def exempt(**more: Any) -> pytest.MarkDecorator:
    mark: pytest.MarkDecorator = pytest.mark.xfail(**more)
    return mark


def overriding(**members: Any) -> type[Group]:
    return type("Overriding", (ProviderConformance,), {"provider": "groq", **members})


def own(*marks: pytest.MarkDecorator) -> Any:
    """A test of a provider's own, with marks."""

    def test(self: object) -> None:
        pass

    for mark in marks:
        test = mark(test)
    return test


NAME, WHY = "test_r_usage_adds_up", "It counts otherwise"


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"wire": OPENAI, "plugins": "plugins.toml"},
        {"test_of_its_own": own()},
        {NAME: own(exempt(strict=True, reason=WHY))},
    ],
    ids=["nothing", "settings", "more tests", "a strict xfail"],
)
def test_what_a_class_may_change(members: dict[str, Any]) -> None:
    assert list(weakened(overriding(**members))) == []


@pytest.mark.parametrize(
    "members",
    [
        {NAME: None},
        {NAME: own()},
        {"test_m_nothing_is_weakened": own()},
        {"subject": own()},
        {NAME: own(pytest.mark.skip(reason=WHY))},
        {NAME: own(exempt(strict=True, reason=WHY), pytest.mark.skip(reason=WHY))},
        {NAME: own(exempt(reason=WHY))},
        {NAME: own(exempt(strict=True))},
        {NAME: own(exempt(strict=True, reason=WHY, run=False))},
        {NAME: own(exempt(condition=True, strict=True, reason=WHY))},
        {"pytestmark": pytest.mark.skip(reason=WHY)},
        {"pytestmark": [exempt(strict=True, reason=WHY)]},
    ],
    ids=[
        "removed", "overridden", "the meta-test", "a fixture", "skipped", "xfail and skipped", "xfail that may pass",
        "xfail without a reason", "xfail that is not run", "xfail under a condition", "the class skipped",
        "the class exempt",
    ],
)  # fmt: skip
def test_what_counts_as_weakened(members: dict[str, Any]) -> None:
    assert len(list(weakened(overriding(**members)))) == 1


def test_a_test_that_is_replaced_in_the_suite_itself_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WireTests, "test_w_question_arrives", own())
    assert list(weakened(overriding())) == ["test_w_question_arrives was replaced in WireTests itself"]


def test_a_class_in_between_may_weaken_as_little() -> None:
    between = type("Between", (overriding(test_r_usage_adds_up=None),), {})
    assert list(weakened(between)) == ["Overriding removes test_r_usage_adds_up"]


def result_of(states: dict[str, State]) -> Result:
    """A result in which every group has two tests, in the states given by their names."""
    tests = [f"test_{group}_{name}" for group in "wrestcfplm" for name in "ab"]
    result = Result("acme", "acme-llms", "1.2", tests)
    for test in tests:
        result.add(Case(test, test, states.get(test, "passed"), "why"))
    return result


@pytest.mark.parametrize(
    ("states", "level", "missing"),
    [
        ({}, "platinum", None),
        ({"test_l_a": "not run", "test_l_b": "not run"}, "gold", ("platinum", ["L live: not run: why"])),
        ({"test_f_a": "failed", "test_l_a": "failed"}, "silver", ("gold", ["F failover: 1 failed"])),
        ({"test_t_a": "not applicable", "test_t_b": "not applicable"}, "platinum", None),
        ({"test_s_a": "xfailed"}, "platinum", None),
        (
            {"test_s_a": "xfailed", "test_s_b": "xfailed", "test_c_b": "not run"},
            "bronze",
            ("silver", ["S stream: nothing passed", "C capabilities: 1 not run"]),
        ),
        ({"test_e_a": "failed"}, None, ("bronze", ["E errors: 1 failed"])),
        ({"test_m_a": "failed"}, None, ("bronze", ["M nothing weakened: 1 failed"])),
    ],
)
def test_levels(states: dict[str, State], level: str | None, missing: object) -> None:
    result = result_of(states)
    assert (result.level, result.missing) == (level, missing)


def test_a_test_that_was_never_collected_is_missing() -> None:
    result = result_of({})
    del result.cases["R"][1]
    assert result.level is None
    assert result.lacking("R") == "1 not run"


def test_the_table_says_all_that_counts() -> None:
    states: dict[str, State] = {"test_f_a": "failed", "test_s_b": "xfailed", "test_l_a": "not run"}
    lines = result_of({**states, "test_l_b": "not run"}).lines()
    assert lines[0].startswith("acme, of acme-llms 1.2, on llms-core ")
    assert "  S stream            1 passed, 1 xfailed" in lines
    assert "  F failover          1 passed, 1 failed" in lines
    assert "  L live              not run: why" in lines
    assert "  exempt: test_s_b: why" in lines
    assert lines[-2:] == ["  level: silver", "  for gold: F failover: 1 failed"]


def test_every_test_of_the_suite_is_in_a_group_and_says_what_it_tests() -> None:
    for name, test in vars_of(ProviderConformance):
        if name.startswith("test_"):
            assert group_of(name) in "WRESTCFPLM"
            assert test.__doc__


def vars_of(group: type) -> list[tuple[str, Any]]:
    return [item for each in group.__mro__ for item in vars(each).items()]


# The command


def llms(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """The command's exit code, stdout and stderr."""
    command = [sys.executable, "-m", "llms_core", "conformance", *arguments]
    whole_env = {**os.environ, **(env or {})}
    done = subprocess.run(command, cwd=folder, env=whole_env, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["grok-ai"], "there is no provider 'grok-ai'"),
        (["grok", "--wire", "nowhere"], "write package.module:NAME"),
        (["groq", "--plugins", "none.toml"], "none.toml"),
    ],
)
def test_a_slip_in_the_command_is_said_at_once(tmp_path: Path, arguments: list[str], said: str) -> None:
    code, _, errors = llms(tmp_path, *arguments)
    assert code == 2
    assert said in errors


@pytest.mark.slow
def test_a_plugin_that_was_set_aside_is_named_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "acme.py").write_text("import nowhere_to_be_found", "utf-8")
    (tmp_path / "plugins.toml").write_text('[plugins]\nload = ["acme.py"]\n', "utf-8")
    code, _, errors = llms(tmp_path, "acme", "--plugins", "plugins.toml")
    assert code == 2
    assert "plugin 'acme' of acme.py: ModuleNotFoundError" in errors


def test_without_pytest_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llms_core.cli.conformance.find_spec", lambda name: None)
    result = CliRunner().invoke(cli.main, ["conformance", "groq"])
    assert result.exit_code == 2
    assert 'pip install "llms-core[testing]"' in result.stderr


@pytest.mark.slow
def test_the_level_alone(tmp_path: Path) -> None:
    """For scripts: nothing else on stdout. A part of the suite reaches no level, which is a failure."""
    code, output, errors = llms(tmp_path, "groq", "--level", "-k", "test_w_ or test_m_")
    assert (output, code) == ("none\n", 1)
    assert "W wire" in errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_folder_that_it_is_run_in_changes_nothing(tmp_path: Path) -> None:
    """Neither its pytest.ini, nor its conftest.py, nor a module of a name that the suite imports."""
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n", "utf-8")
    for name in ("conftest.py", "json.py", "pytest.py"):
        (tmp_path / name).write_text("raise SystemExit(9)", "utf-8")
    script = str(Path(sys.executable).parent / "llms")
    command = [script, "conformance", "groq", "-k", "test_m_", "--level"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("none\n", 1), done.stderr


@pytest.mark.slow
def test_what_authors_import_needs_no_pytest() -> None:
    """Only the suite itself does; llms_core.testing has other uses."""
    names = (
        "llms_core.testing",
        *(f"llms_core.testing.{name}" for name in ("wire", "openai_wire", "gateway", "probe")),
    )
    code = f"import sys, {', '.join(names)}; print('pytest' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.strip() == b"False"


def test_the_suite_is_no_plugin_of_every_pytest() -> None:
    from importlib.metadata import entry_points

    assert not [point for point in entry_points(group="pytest11") if point.value.startswith("llms_core")]


# The parts


@pytest.fixture
def subject() -> Subject:
    return find("groq", None)


def test_the_key_is_new_each_time(subject: Subject) -> None:
    assert subject.key != find("groq", None).key
    assert subject.key in subject.request().headers["authorization"]


def test_no_key_of_the_machines_reaches_an_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    subject = find("bedrock", None)
    assert "AKIAREAL" not in subject.request().headers["authorization"]


def test_aws_messages_are_as_the_core_reads_them() -> None:
    pieces = encoded([("contentBlockDelta", {"a": "ü"}), ("exception:throttlingException", {"message": "x"})], "aws")
    assert EventStreamMessages().feed(b"".join(pieces)) == [
        ("contentBlockDelta", '{"a":"ü"}'.encode()),
        ("exception:throttlingException", b'{"message":"x"}'),
    ]


def test_sse_data_in_several_lines() -> None:
    assert encoded([("tick", {"a": 1}), "[DONE]", b": as it is\n\n"], "sse", indent=True) == [
        b'event: tick\ndata: {\ndata:  "a": 1\ndata: }\n\n',
        b"data: [DONE]\n\n",
        b": as it is\n\n",
    ]


def test_a_wire_by_its_name() -> None:
    assert wires.load("llms_core.testing.openai_wire:OPENAI") is OPENAI


@pytest.mark.parametrize("name", ["nowhere", ":WIRE", "llms_core.nowhere:WIRE", "llms_core.errors:ErrorKind"])
def test_a_wire_that_there_is_not(name: str) -> None:
    with pytest.raises(ConfigError):
        wires.load(name)


def test_a_protocol_of_its_own_needs_a_wire(tmp_path: Path) -> None:
    init = "def __init__(self, spec, settings):\n        pass"
    code = f"class Broken:\n    {init}\n    request = completion = chunks = error = print"
    (tmp_path / "odd.py").write_text(PLUGIN.format(name="odd", code=code), "utf-8")
    (tmp_path / "plugins.toml").write_text('[plugins]\nload = ["odd.py"]\n', "utf-8")
    with pytest.raises(ConfigError, match=r"ProviderSpec\.wire"):
        find("odd", tmp_path / "plugins.toml")


WHOLE = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": []}
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def with_calls(*calls: object) -> dict[str, Any]:
    return {"choices": [{**CHOICE, "message": {"role": "assistant", "content": None, "tool_calls": list(calls)}}]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"object": "chat.completion.chunk"},
        {"id": ""},
        {"created": 1.5},
        {"created": True},
        {"model": "upstream"},
        {"choices": [{**CHOICE, "index": 1}]},
        {"choices": [{**CHOICE, "finish_reason": "STOP"}]},
        {"choices": [{**CHOICE, "message": {"role": "assistant"}}]},
        {"choices": [{**CHOICE, "message": {"role": "model", "content": ""}}]},
        {"usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 3}},
        {"usage": {"prompt_tokens": 1.0, "completion_tokens": 1, "total_tokens": 2}},
        {"usage": {"prompt_tokens": 1}},
        with_calls({**CALL, "id": None}),
        with_calls({**CALL, "type": None}),
        with_calls(CALL, CALL),
        with_calls({**CALL, "function": {"name": "f", "arguments": {}}}),
        with_calls({**CALL, "function": {"name": "f", "arguments": "{"}}),
    ],
)
def test_whole_answers_are_read_strictly(wrong: dict[str, Any]) -> None:
    assert read_whole(json.dumps({**WHOLE, "choices": [CHOICE]}).encode(), "m").choices[0].text == "Hi"
    with pytest.raises(ContractError):
        read_whole(json.dumps({**WHOLE, "choices": [CHOICE], **wrong}).encode(), "m")


def chunk(delta: object, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}


BEGIN, END = chunk({"role": "assistant", "content": ""}), chunk({}, "stop")
USAGE = chunk({}, choices=[], usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2})
FRAGMENT = {"index": 0, **CALL}


@pytest.mark.parametrize(
    "wrong",
    [
        [BEGIN],
        [chunk({"content": "x"}), END],
        [BEGIN, BEGIN, END],
        [BEGIN, END, END],
        [BEGIN, END, chunk({"content": "x"})],
        [BEGIN, {**END, "id": "y"}],
        [BEGIN, {**END, "created": 2}],
        [BEGIN, USAGE, END],
        [BEGIN, {**END, "usage": USAGE["usage"]}],
        [BEGIN, chunk({"tool_calls": [{**FRAGMENT, "index": 1}]}), END],
        [BEGIN, chunk({"tool_calls": [{**FRAGMENT, "id": None}]}), END],
        [BEGIN, chunk({"tool_calls": [FRAGMENT]}), chunk({"tool_calls": [{**FRAGMENT, "id": "d"}]}), END],
        [BEGIN, chunk({"tool_calls": [FRAGMENT]}), chunk({"tool_calls": [FRAGMENT]}), END],
        [BEGIN, chunk({"tool_calls": [FRAGMENT, {**FRAGMENT, "index": 1}]}), END],
        [chunk({}, choices=[{"index": 1, "delta": {"role": "assistant"}, "finish_reason": "stop"}])],
    ],
)  # fmt: skip
def test_streams_are_read_strictly(wrong: list[dict[str, Any]]) -> None:
    read = read_stream((json.dumps(each).encode() for each in (BEGIN, chunk({"content": "x"}), END, USAGE)), "m")
    assert (read.choices[0].text, read.usage) == ("x", (1, 1, 2))
    with pytest.raises(ContractError):
        read_stream((json.dumps(each).encode() for each in wrong), "m")


def test_the_meta_test_is_one_of_the_suite() -> None:
    with pytest.raises(AssertionError):
        MetaTests.test_m_nothing_is_weakened(overriding(test_r_usage_adds_up=None)())  # type: ignore[arg-type]


def answered_live(seen: Seen) -> Reply:
    """What a provider with a model of its own would say."""
    asked = seen.json
    if asked["model"] != "real-model":
        return error(404, "The model does not exist", code="model_not_found")
    return completion(finish_reason="length" if "Count" in asked["messages"][0]["content"] else "stop")


@pytest.mark.slow
def test_live_calls_are_few_and_small(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """Only with leave and a key; the provider's own address and the user's key then, and sixteen tokens each."""
    table = (
        f'[types.acme]\nbase_url = "{upstream.base_url}"\nkey_env = "ACME_KEY"\nmodels = {{ "real" = "real-model" }}\n'
    )
    (tmp_path / "plugins.toml").write_text(table, "utf-8")
    upstream.default = Reply(answered_live)
    path = tmp_path / "conformance.json"
    arguments = ["acme", "--plugins", "plugins.toml", "-k", "test_l_", "--json", str(path)]
    told = {}
    for leave in ({}, {"LLMS_LIVE": "1"}, {"LLMS_LIVE": "1", "ACME_KEY": "sk-of-the-user"}):
        llms(tmp_path, *arguments, env=leave)
        told[len(leave)] = json.loads(path.read_text("utf-8"))["groups"]["L"]
        assert len(upstream.requests) == (6 if len(leave) == 2 else 0)
    assert [told[number]["lacking"] for number in (0, 1, 2)] == [
        "not run: LLMS_LIVE=1 is not set", "not run: no key: set ACME_KEY", None,
    ]  # fmt: skip
    assert told[2]["passed"] == 6
    for seen in upstream.requests:
        assert seen.headers["authorization"] == "Bearer sk-of-the-user"
        assert seen.json["max_completion_tokens"] == 16
