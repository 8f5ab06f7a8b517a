"""`llms check`."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from command_line import TIMEOUT

from llms_core.testing import ScriptedUpstream
from llms_core.testing.upstream import Reply, Stall, Wait, completion, error, json_body
from tests.core.cli.manage.conftest import Run, Start, Terminal

Block = Callable[..., dict[str, Any]]
Write = Callable[..., Path]

PRICE = {"input": 1, "output": 2}


@pytest.fixture
def write(file: Path) -> Write:
    """Writes llms.json."""

    def write_file(providers: Mapping[str, Any], **more: Any) -> Path:
        file.write_text(json.dumps({"providers": providers, **more}))
        return file

    return write_file


@pytest.mark.parametrize(
    "arguments", [["check", "mine"], ["--check", "mine"], ["check", "mine", "all"]]
)
def test_all_models_of_a_provider_are_checked(
    llms: Run, write: Write, upstream: ScriptedUpstream, provider: Block, arguments: list[str]
) -> None:
    """With time and cost; models that do not chat are left out."""
    write(
        {
            "mine": provider(
                upstream,
                {"a": "up-a", "b": "up-b", "text-embedding-3-small": "e"},
                default_pricing=PRICE,
            )
        }
    )
    result = llms(*arguments)
    assert (result.returncode, result.stderr) == (0, "")
    lines = sorted(result.stdout.splitlines())
    assert lines[0].startswith("2 of 2 answered, for $0.0000")
    assert [re.sub(r" +\d+ ms", "  N ms", line) for line in lines[1:]] == [
        "ok      mine/a  N ms  $0.000011",
        "ok      mine/b  N ms  $0.000011",
    ]
    assert sorted(request.json["model"] for request in upstream.requests) == ["up-a", "up-b"]


def test_named_models_are_checked_and_nothing_else_is_tried(
    llms: Run, write: Write, upstreams: Callable[[], ScriptedUpstream], provider: Block, home: Path
) -> None:
    """One candidate, once: no other provider, no fallback, no retry, and no answer of a cache."""
    failing = upstreams()
    other = upstreams()
    failing.default = error(503, "out of order")
    write(
        {"other": provider(other), "mine": provider(failing, {"m": "up-m", "n": "up-n"}, retries=3)}
    )
    (home / ".llms/plugins.toml").write_text(
        '[routing.fallbacks]\nm = ["n"]\n[plugin.cache]\nmax_age = 60\n'
    )
    result = llms("check", "mine", "m")
    assert result.returncode == 1
    assert re.fullmatch(
        r"failed  mine/m +\d+ ms  503 out of order\n0 of 1 answered\n", result.stdout
    )
    assert [request.json["model"] for request in failing.requests] == ["up-m"]
    assert other.requests == []


def test_the_overview_checks_one_model_of_each_enabled_provider(
    llms: Run, write: Write, upstream: ScriptedUpstream, provider: Block
) -> None:
    write(
        {
            "first": provider(upstream, {"a": "a", "b": "b"}),
            "off": provider(upstream, enabled=False),
            "without-key": provider(upstream, api_key="$NO_SUCH_KEY"),
            "embeds": provider(upstream, {"text-embedding-3-small": "e"}),
            "lists": {**provider(upstream), "models": {}},
        }
    )
    result = llms("check")
    assert result.returncode == 0, result.stdout
    assert sorted(re.findall(r"ok +(\S+)", result.stdout)) == ["first/a", "lists/m"]


def test_all_also_means_the_models_that_the_provider_lists(
    llms: Run, write: Write, upstream: ScriptedUpstream, provider: Block
) -> None:
    write({"mine": provider(upstream, {"a": "up-a"}, all_models=True)})
    assert re.findall(r"ok +(\S+)", llms("check", "mine").stdout) == ["mine/a"]
    assert sorted(re.findall(r"ok +(\S+)", llms("check", "mine", "all").stdout)) == [
        "mine/a",
        "mine/m",
    ]
    assert re.findall(r"ok +(\S+)", llms("check", "mine", "m").stdout) == ["mine/m"]


def test_the_result_as_json(
    llms: Run, write: Write, upstream: ScriptedUpstream, provider: Block
) -> None:
    """The cost is null where the price is not known."""
    priced = provider(upstream, {"m": "up-m"}, pricing={"up-m": PRICE})
    write({"mine": {**priced, "models": {"m": "up-m", "n": "up-n"}}})
    results = {each["model"]: each for each in json.loads(llms("check", "mine", "--json").stdout)}
    assert isinstance(results["m"].pop("milliseconds"), int)
    usage = results["m"].pop("usage")
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (9, 1)
    assert results["m"] == {
        "provider": "mine", "model": "m", "upstream": "up-m", "ok": True, "cost": 11e-6, "error": None
    }  # fmt: skip
    assert results["n"]["cost"] is None


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (None, {"kind": "auth", "status": 401}),
        (error(429, "Slow down"), {"kind": "rate_limit", "status": 429}),
        (json_body({"choices": "none"}), {"kind": "bad_response", "status": 200}),
    ],
)
def test_a_failure_has_the_providers_own_words_and_no_key(
    llms: Run,
    write: Write,
    upstream: ScriptedUpstream,
    provider: Block,
    reply: Reply | None,
    problem: dict[str, Any],
) -> None:
    block = provider(upstream)
    upstream.default = reply or error(401, f"Incorrect API key provided: {block['api_key']}")
    write({"mine": block})
    result = llms("check", "mine", "--json")
    assert result.returncode == 1
    [failed] = json.loads(result.stdout)
    message = failed["error"].pop("message")
    assert (failed["ok"], failed["error"]) == (False, problem)
    assert block["api_key"] not in result.stdout + result.stderr
    if reply is None:
        assert message == "Incorrect API key provided: ***"


@pytest.mark.parametrize("place", ["defaults", "provider", "nowhere"])
def test_the_request_is_the_template_of_the_provider_or_of_the_file(
    llms: Run, write: Write, upstream: ScriptedUpstream, provider: Block, place: str
) -> None:
    """K-09, K-18. A template of llms.py 3 has no messages."""
    own = {"messages": [{"role": "user", "content": "2+2="}], "max_tokens": 5, "stream": True}
    block = {**provider(upstream), **({"check": own} if place == "provider" else {})}
    write(
        {"mine": block},
        **(
            {"defaults": {"check": {"messages": [], "max_tokens": 7}}} if place != "nowhere" else {}
        ),
    )
    assert llms("check", "mine").returncode == 0
    expected = {
        "provider": ("2+2=", {"max_tokens": 5}),
        "defaults": ("1+1=", {"max_tokens": 7}),
        "nowhere": ("1+1=", {"max_completion_tokens": 16}),
    }[place]
    [request] = upstream.requests
    assert request.json["messages"][-1]["content"] == expected[0]
    assert not request.json.get("stream")
    assert {
        name: value for name, value in request.json.items() if name.startswith("max_")
    } == expected[1]


def test_a_provider_that_cannot_be_used_is_a_failure_with_its_reason(
    llms: Run, write: Write, upstream: ScriptedUpstream, provider: Block
) -> None:
    write(
        {
            "mine": provider(upstream, api_key="$NO_SUCH_KEY"),
            "off": provider(upstream, enabled=False),
        }
    )
    result = llms("check", "mine")
    assert (result.returncode, result.stdout) == (
        1,
        "failed  mine  no key: set NO_SUCH_KEY\n0 of 1 answered\n",
    )
    assert "failed  off  disabled in llms.json\n" in llms("check", "off").stdout
    nothing = llms("check")
    assert (nothing.returncode, nothing.stderr) == (
        1,
        "llms: no provider is enabled; `llms ls` lists the reasons\n",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "mien"], "llms: unknown provider 'mien' (similar: mine)\n"),
        (["check", "mine", "kimi"], "llms: unknown model of mine 'kimi' (known: m)\n"),
    ],
)
def test_an_unknown_name_is_an_error(
    llms: Run,
    write: Write,
    upstream: ScriptedUpstream,
    provider: Block,
    arguments: list[str],
    message: str,
) -> None:
    write({"mine": provider(upstream)})
    result = llms(*arguments)
    assert (result.returncode, result.stdout, result.stderr) == (1, "", message)
    assert upstream.requests == []


def test_a_silent_provider_is_a_failure_after_the_timeout(
    llms: Run, write: Write, upstream: ScriptedUpstream, provider: Block
) -> None:
    upstream.default = Reply(Stall())
    write({"mine": provider(upstream)})
    result = llms("check", "mine", "--timeout", "0.2")
    assert result.returncode == 1
    assert "no answer within 0.2 s" in result.stdout
    upstream.requests[0].wait_closed()


def test_checks_run_at_the_same_time_and_not_more_than_wanted(
    start: Start, write: Write, upstream: ScriptedUpstream, provider: Block
) -> None:
    """None is answered before two have been sent, and two connections are enough for all."""
    two = threading.Event()
    upstream.default = Reply(Wait(two), completion())
    write({"mine": provider(upstream, {name: name for name in "abcdef"})})
    with start("check", "mine", "--parallel", "2") as process:
        upstream.wait_for_request(2, timeout=TIMEOUT)
        two.set()
        process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0
    assert [request.connection for request in upstream.requests if request.connection > 2] == []
    assert len(upstream.requests) == 6


def test_ctrl_c_cancels_the_requests(
    start: Start, write: Write, upstream: ScriptedUpstream, provider: Block
) -> None:
    upstream.default = Reply(Stall())
    write({"mine": provider(upstream, {"a": "a", "b": "b"})})
    with start("check", "mine") as process:
        upstream.wait_for_request(2, timeout=TIMEOUT)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=TIMEOUT)
        assert (process.returncode, output, errors) == (130, "", "")
    for request in upstream.requests:
        request.wait_closed()


def test_a_terminal_gets_progress_and_colours(
    terminal: Terminal, write: Write, upstream: ScriptedUpstream, provider: Block
) -> None:
    upstream.script(error(500, "\x1b[31mred\nsecond line"))
    write({"mine": provider(upstream)})
    output = terminal("check", "mine")
    assert "waiting for 1 …\r\x1b[K\x1b[31mfailed\x1b[0m  mine/m " in output
    assert output.replace("\r\n", "\n").endswith(" ms  500 [31mred second line\n0 of 1 answered\n")
    plain = terminal("check", "mine", env={"NO_COLOR": "1"})
    assert "\x1b[32m" not in plain
    assert "ok      mine/m " in plain
