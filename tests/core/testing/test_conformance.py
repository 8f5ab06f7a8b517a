"""The conformance suite finds faulty adapters, and cannot be weakened unnoticed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from llms_core.contracts.completion import Completion
from llms_core.contracts.request import ChatCall
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import ChunkTranslator, UpstreamRequest
from llms_core.testing.conformance import MetaTests, ProviderConformance, weakened
from llms_core.testing.groups.base import Group
from llms_core.testing.groups.wire import WireTests
from llms_core.testing.openai_wire import OPENAI
from llms_core.testing.result import group_of
from llms_core.testing.subject import find

PLUGIN = """
import json
import msgspec
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

#: Faulty adapters, and the groups that must fail for each of them; all other groups must pass.
BROKEN: dict[str, tuple[str, str]] = {
    "treats_every_stream_as_complete": (
        """
        class Chunks(OpenAIChunks):
            def feed(self, event, data):
                for chunk in super().feed(event, data):
                    decoded = json.loads(chunk.data)
                    for choice in decoded["choices"]:
                        choice["finish_reason"] = choice["finish_reason"] or "stop"
                    data = json.dumps(decoded).encode()
                    yield Chunk(data, chunk.content, chunk.begun, chunk.begun, chunk.usage)
        """
        + CHUNKS,
        "STF",
    ),
    "loses_the_index_of_tool_calls": (
        """
        class Chunks(OpenAIChunks):
            def feed(self, event, data):
                for chunk in super().feed(event, data):
                    decoded = json.loads(chunk.data)
                    for choice in decoded["choices"]:
                        for call in choice["delta"].get("tool_calls") or ():
                            call["index"] = 0
                    chunk.data = json.dumps(decoded).encode()
                    yield chunk
        """
        + CHUNKS,
        "ST",
    ),
    "holds_text_back": (
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
    "shares_one_translator": (
        """
        class Broken(OpenAICompatible):
            translator = None
            def chunks(self, call):
                self.translator = self.translator or OpenAIChunks(self, call)
                return self.translator
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
                body = call.body.with_members(dict.fromkeys(("seed", "user", "mark_of_unknown")))
                return super().request(msgspec.structs.replace(call, body=body))
        """,
        "W",
    ),
    "sends_the_clients_model_name": (
        """
        class Broken(OpenAICompatible):
            def request(self, call):
                return super().request(msgspec.structs.replace(call, upstream_model=call.client_model))
        """,
        "W",
    ),
    "modifies_its_arguments": (
        """
        class Broken(OpenAICompatible):
            def request(self, call):
                found = super().request(call)
                call.request.messages.append(call.request.messages[0])
                return found
        """,
        "W",
    ),
    "treats_errors_as_answers": (
        """
        class Broken(OpenAICompatible):
            def completion(self, call, body):
                try:
                    return super().completion(call, body)
                except ProviderError as error:
                    message = {"role": "assistant", "content": error.message}
                    choice = {"index": 0, "message": message, "finish_reason": "stop"}
                    envelope = {"id": "x", "object": "chat.completion", "created": 1, "model": call.client_model}
                    return Completion(json.dumps({**envelope, "choices": [choice]}).encode())
        """,
        "ESF",
    ),
    "expects_every_error_to_be_json": (
        """
        class Broken(OpenAICompatible):
            def error(self, status, headers, body):
                message = json.loads(body)["error"]["message"]
                return ProviderError(super().error(status, headers, body).kind, message)
        """,
        "WE",
    ),
    "blames_the_client_for_every_error": (
        """
        class Broken(OpenAICompatible):
            def error(self, status, headers, body):
                found = super().error(status, headers, body)
                found.kind = ErrorKind.INVALID_REQUEST
                return found
        """,
        "E",
    ),
    "reports_wrong_usage": (
        """
        class Broken(OpenAICompatible):
            def completion(self, call, body):
                found = super().completion(call, body)
                answer = json.loads(found.data)
                if answer.get("usage"):
                    answer["usage"] = {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 17}
                return Completion(json.dumps(answer).encode(), found.usage)
        """,
        "RST",
    ),
    "claims_what_it_refuses": (
        """
        class Broken(OpenAICompatible):
            def request(self, call):
                for message in call.request.messages:
                    if isinstance(message.content, list) and message.content[-1].image_url:
                        raise Unsupported("no images")
                return super().request(call)
        """,
        "C",
    ),
    "keeps_the_whole_stream": (
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
    "has_side_effects_at_import": (
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

# One run tests all faulty adapters, some of which wait for timeouts: over a minute, and several on a busy machine.
_PYTEST_TIMEOUT = 500  # seconds

TEST_MODULE = """
import pytest
from llms_core.testing.conformance import {imports}

{classes}
"""

#: A class that declares an exemption, and one that weakens the suite.
CLASSES_WITH_OVERRIDES = '''
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


def run_pytest(folder: Path, *arguments: str) -> tuple[int, Any, str]:
    """Run pytest as a plugin author would; return its exit code, its conformance.json and its output."""
    result = folder / "conformance.json"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        os.devnull,
        f"--rootdir={folder}",
        "-p",
        "llms_core.testing.plugin",
        f"--llms-json={result}",
        "-p",
        "no:cacheprovider",
        "-q",
        "--tb=line",
        *arguments,
    ]
    finished = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=_PYTEST_TIMEOUT, check=False
    )
    document = None
    if result.is_file():
        document = json.loads(result.read_text("utf-8"))
    return finished.returncode, document, finished.stdout + finished.stderr


def class_for(name: str, groups: str) -> str:
    """A test class for a faulty adapter, with the slow groups F and P only if they have to find the fault."""
    bases = ["Translation"]
    if "F" in groups:
        bases.append("FailoverTests")
    if "P" in groups:
        bases.append("PerformanceTests")
    return f'class Test{name}({", ".join(bases)}):\n    provider = "{name}"'


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results of all faulty adapters, by name. Each is a plugin file; one run of pytest tests them all."""
    folder = tmp_path_factory.mktemp("broken")
    classes = []
    for name, (code, groups) in BROKEN.items():
        (folder / f"{name}.py").write_text(PLUGIN.format(name=name, code=dedent(code)), "utf-8")
        classes.append(class_for(name, groups))
    files = json.dumps([f"{name}.py" for name in BROKEN])
    (folder / "plugins.toml").write_text(f"[plugins]\nload = {files}\n", "utf-8")
    imports = "FailoverTests, PerformanceTests, Translation"
    module = TEST_MODULE.format(imports=imports, classes="\n\n".join(classes))
    (folder / "test_broken.py").write_text(module, "utf-8")
    # These two take most of the time, and other tests find the same faults.
    without_slow_tests = ("-k", "not test_s_split_anywhere and not test_s_cut_at_every_byte")
    _, results, output = run_pytest(
        folder,
        "--llms-plugins",
        str(folder / "plugins.toml"),
        "test_broken.py",
        *without_slow_tests,
    )
    assert results, output
    return {result["provider"]: result for result in results}


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN)
def test_faulty_adapter_fails_exactly_the_groups_for_its_fault(
    broken: dict[str, Any], name: str
) -> None:
    result = broken[name]
    failed = {group for group, counts in result["groups"].items() if counts["failed"]}
    assert failed == set(BROKEN[name][1]), [failure["test"] for failure in result["failed"]]
    assert result["level"] in (None, "bronze", "silver")


def test_adapter_that_modifies_its_arguments_fails_one_test(broken: dict[str, Any]) -> None:
    """Everything else that it does is right, so only the test of its arguments fails, and says what to do."""
    (failure,) = broken["modifies_its_arguments"]["failed"]
    assert failure["test"] == "test_w_arguments_are_not_modified"
    assert (
        "`request` must not modify its arguments, but it changed `call.request`"
        in failure["reason"]
    )


class ModifiesInRequest(OpenAICompatible):
    def request(self, call: ChatCall) -> UpstreamRequest:
        call.request.messages.append(call.request.messages[0])
        return super().request(call)


class ModifiesInCompletion(OpenAICompatible):
    def completion(self, call: ChatCall, body: bytes) -> Completion:
        assert isinstance(call.request.stop, list)
        call.request.stop.clear()
        return super().completion(call, body)


class ModifiesInChunks(OpenAICompatible):
    def chunks(self, call: ChatCall) -> ChunkTranslator:
        call.request.messages.reverse()
        return super().chunks(call)


class ModifiesMembers(OpenAICompatible):
    """`call.members` is read-only, but an adapter could reach the dictionary behind it."""

    def chunks(self, call: ChatCall) -> ChunkTranslator:
        del call.body._members["stop"]
        return super().chunks(call)


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        (
            ModifiesInRequest,
            "`request` must not modify its arguments, but it changed `call.request`",
        ),
        (
            ModifiesInCompletion,
            "`completion` must not modify its arguments, but it changed `call.request`",
        ),
        (ModifiesInChunks, "`chunks` must not modify its arguments, but it changed `call.request`"),
        (ModifiesMembers, "`chunks` must not modify its arguments, but it changed `call.members`"),
    ],
)
def test_modified_argument_is_found_in_each_method(
    adapter: type[OpenAICompatible], message: str
) -> None:
    subject = find("groq", None)
    groq = subject.adapter
    assert isinstance(groq, OpenAICompatible)
    WireTests().test_w_arguments_are_not_modified(subject)
    subject.adapter = adapter(subject.spec, groq.settings)
    with pytest.raises(AssertionError, match=message):
        WireTests().test_w_arguments_are_not_modified(subject)


@pytest.fixture(scope="module")
def overridden(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results of test classes in a package of its own: one declares an exemption, one weakens the suite."""
    folder = tmp_path_factory.mktemp("overridden")
    module = TEST_MODULE.format(imports="ProviderConformance", classes=CLASSES_WITH_OVERRIDES)
    (folder / "test_own.py").write_text(module, "utf-8")
    code, results, output = run_pytest(
        folder, "test_own.py", "-k", "test_w_ or test_r_ or test_e_ or test_m_"
    )
    assert code == 1, output
    return {result["provider"]: result for result in results}


def test_declared_exemption_is_listed_with_its_reason(overridden: dict[str, Any]) -> None:
    result = overridden["groq"]
    assert result["level"] == "bronze"
    assert result["xfailed"] == [
        {"test": "test_w_question_arrives", "reason": "Groq never says so"}
    ]
    assert result["groups"]["W"]["xfailed"] == 1
    assert not result["failed"]


def test_weakened_class_fails_and_reaches_no_level(overridden: dict[str, Any]) -> None:
    result = overridden["mistral"]
    assert [failure["test"] for failure in result["failed"]] == ["test_m_nothing_is_weakened"]
    assert result["level"] is None
    assert result["groups"]["W"]["lacking"] == "1 not run"


def xfail(**arguments: Any) -> pytest.MarkDecorator:
    mark: pytest.MarkDecorator = pytest.mark.xfail(**arguments)
    return mark


def subclass_with(**attributes: Any) -> type[Group]:
    return type("Overriding", (ProviderConformance,), {"provider": "groq", **attributes})


def own_test(*marks: pytest.MarkDecorator) -> Any:
    """A test that a provider's author wrote, with marks."""

    def test(self: object) -> None:
        pass

    for mark in marks:
        test = mark(test)
    return test


NAME = "test_r_usage_adds_up"
REASON = "Its counts differ"


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"wire": OPENAI, "plugins": "plugins.toml"}, id="settings"),
        pytest.param({"test_of_its_own": own_test()}, id="more tests"),
        pytest.param({NAME: own_test(xfail(strict=True, reason=REASON))}, id="a strict xfail"),
    ],
)
def test_permitted_changes_do_not_weaken_the_suite(attributes: dict[str, Any]) -> None:
    assert list(weakened(subclass_with(**attributes))) == []


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({NAME: None}, id="removed"),
        pytest.param({NAME: own_test()}, id="overridden"),
        pytest.param({"test_m_nothing_is_weakened": own_test()}, id="the meta-test"),
        pytest.param({"subject": own_test()}, id="a fixture"),
        pytest.param({NAME: own_test(pytest.mark.skip(reason=REASON))}, id="skipped"),
        pytest.param(
            {NAME: own_test(xfail(strict=True, reason=REASON), pytest.mark.skip(reason=REASON))},
            id="xfail and skipped",
        ),
        pytest.param({NAME: own_test(xfail(reason=REASON))}, id="xfail that may pass"),
        pytest.param({NAME: own_test(xfail(strict=True))}, id="xfail without a reason"),
        pytest.param(
            {NAME: own_test(xfail(strict=True, reason=REASON, run=False))},
            id="xfail that is not run",
        ),
        pytest.param(
            {NAME: own_test(xfail(condition=True, strict=True, reason=REASON))},
            id="xfail with a condition",
        ),
        pytest.param({"pytestmark": pytest.mark.skip(reason=REASON)}, id="the class skipped"),
        pytest.param({"pytestmark": [xfail(strict=True, reason=REASON)]}, id="the class exempt"),
    ],
)
def test_every_other_change_weakens_the_suite(attributes: dict[str, Any]) -> None:
    assert len(list(weakened(subclass_with(**attributes)))) == 1


def test_replacing_a_test_in_the_suite_itself_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WireTests, "test_w_question_arrives", own_test())
    assert list(weakened(subclass_with())) == [
        "test_w_question_arrives was replaced in WireTests itself"
    ]


def test_removing_a_test_in_an_intermediate_class_is_noticed() -> None:
    derived = type("Derived", (subclass_with(test_r_usage_adds_up=None),), {})
    assert list(weakened(derived)) == ["Overriding removes test_r_usage_adds_up"]


def test_meta_test_fails_for_a_weakened_class() -> None:
    group = subclass_with(test_r_usage_adds_up=None)
    with pytest.raises(AssertionError, match="Overriding removes test_r_usage_adds_up"):
        MetaTests.test_m_nothing_is_weakened(group())  # type: ignore[arg-type]


def suite_tests() -> dict[str, Callable[..., Any]]:
    tests: dict[str, Callable[..., Any]] = {}
    for group in ProviderConformance.__mro__:
        tests |= {name: value for name, value in vars(group).items() if name.startswith("test_")}
    return tests


def test_every_test_of_the_suite_belongs_to_a_group_and_has_a_docstring() -> None:
    for name, test in suite_tests().items():
        assert group_of(name) in "WRESTCVAGFPLM"
        assert test.__doc__


def test_public_testing_modules_do_not_import_pytest() -> None:
    """Only the suite itself needs pytest; llms_core.testing has other uses."""
    modules = (
        "llms_core.testing",
        "llms_core.testing.wire",
        "llms_core.testing.openai_wire",
        "llms_core.testing.gateway",
        "llms_core.testing.probe",
    )
    code = f"import sys, {', '.join(modules)}; print('pytest' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert finished.stdout.strip() == b"False"


def test_suite_is_not_registered_with_every_pytest() -> None:
    from importlib.metadata import entry_points

    assert not [
        point for point in entry_points(group="pytest11") if point.value.startswith("llms_core")
    ]
