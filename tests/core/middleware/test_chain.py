"""Middleware of plugins, around every request."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llms_core.errors import ConfigError
from llms_core.testing import ScriptedUpstream, completion, error, events
from tests.conftest import Gateway, Serve
from tests.core.server.conftest import NO_RETRIES, Asking, chunk, error_of, first_alone

IMPORTS = """
from llms_core import hookimpl, RequestError
from llms_core.contracts.completion import Completion
from llms_core.middleware import Answered
"""

Ask = Callable[..., Asking]


@pytest.fixture
def first() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
def ask(
    served: Serve, asking: Callable[[Gateway], Asking], first: ScriptedUpstream, tmp_path: Path
) -> Ask:
    """Asks a gateway with plugins: each is the body of a middleware, which gets `call` and `forward`."""

    def start(*bodies: str, plugins: str = "") -> Asking:
        names = []
        for number, body in enumerate(bodies):
            lines = "".join(f"    {line}\n" for line in body.splitlines())
            hook = "@hookimpl\ndef llms_middleware():\n    return [around]\n"
            path = tmp_path / f"plugin{number}.py"
            path.write_text(
                f"{IMPORTS}\nasync def around(call, forward):\n{lines}\n{hook}", "utf-8"
            )
            names.append(str(path))
        return asking(
            served(first_alone(first), f"{NO_RETRIES}\n[plugins]\nload = {names}\n{plugins}")
        )

    return start


def test_a_middleware_changes_the_request(ask: Ask, first: ScriptedUpstream) -> None:
    client = ask('return await forward(call.with_members({"temperature": 0.25}))')
    assert client.chat().status_code == 200
    assert first.requests[0].json["temperature"] == 0.25


def test_a_middleware_refuses_a_request_in_the_clients_dialect(
    ask: Ask, first: ScriptedUpstream
) -> None:
    client = ask(
        'raise RequestError("Not on Sundays", status=403, type="permission_error", code="sunday")'
    )
    refused = client.chat()
    assert refused.status_code == 403
    assert error_of(refused)["code"] == "sunday"
    message = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    in_anthropics = client.post(message, "/v1/messages")
    assert in_anthropics.json()["error"]["message"] == "Not on Sundays"
    assert not first.requests


@pytest.mark.parametrize("stream", [False, True])
def test_a_middleware_answers_by_itself_streamed_or_not(
    ask: Ask, first: ScriptedUpstream, stream: bool
) -> None:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "From memory"},
        "finish_reason": "stop",
    }
    answer = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
    }
    client = ask(
        f"return Answered(answer=Completion({json.dumps(answer)!r}.encode()), headers={{'x-by': 'me'}})"
    )
    received = client.chat(stream=stream)
    assert received.status_code == 200
    assert "From memory" in received.text
    assert received.headers["x-by"] == "me"
    assert "x-llms-provider" not in received.headers
    assert not first.requests


def test_the_first_plugin_is_the_outermost(ask: Ask, first: ScriptedUpstream) -> None:
    outer = 'return (await forward(call.with_members({"user": "outer"}))).with_headers({"x-last": "outer"})'
    inner = 'return (await forward(call.with_members({"user": "inner"}))).with_headers({"x-last": "inner"})'
    received = ask(outer, inner).chat()
    assert received.headers["x-last"] == "outer"
    assert first.requests[0].json["user"] == "inner"


def test_a_middleware_may_forward_again(ask: Ask, first: ScriptedUpstream) -> None:
    first.script(error(500), completion("Second"))
    body = """
from llms_core.errors import LlmsError
try:
    return await forward(call)
except LlmsError:
    return await forward(call)
"""
    assert ask(body.strip()).chat().json()["choices"][0]["message"]["content"] == "Second"


def test_an_answer_that_is_not_used_is_closed(ask: Ask, first: ScriptedUpstream) -> None:
    first.default = events(chunk({"content": "One"}), chunk({}, "stop"), "[DONE]")
    client = ask("await forward(call)\nreturn await forward(call)")
    assert client.chunks()[0]["choices"][0]["delta"]["content"] == "One"
    assert len(first.requests) == 2


@pytest.mark.parametrize("stream", [False, True])
def test_a_middleware_that_fails_refuses_the_request(
    ask: Ask, first: ScriptedUpstream, stream: bool
) -> None:
    refused = ask("raise ValueError('a secret of the prompt')").chat(stream=stream)
    assert refused.status_code == 500
    assert error_of(refused)["code"] == "plugin_failed"
    assert "secret" not in refused.text
    assert not first.requests


def test_a_middleware_that_fails_open_is_left_out(ask: Ask, first: ScriptedUpstream) -> None:
    client = ask("raise ValueError('oops')", plugins='[plugin.plugin0]\nfail = "open"\n')
    assert client.chat().status_code == 200
    assert len(first.requests) == 1


def test_a_failure_after_the_answer_does_not_ask_again_if_it_fails_open(
    ask: Ask, first: ScriptedUpstream
) -> None:
    client = ask(
        "await forward(call)\nraise ValueError('oops')", plugins='[plugin.plugin0]\nfail = "open"\n'
    )
    assert client.chat().status_code == 200
    assert len(first.requests) == 1


def test_an_unknown_way_to_fail_stops_the_start(ask: Ask) -> None:
    with pytest.raises(BaseException, match="neither 'open' nor 'closed'"):
        ask("return await forward(call)", plugins='[plugin.plugin0]\nfail = "maybe"\n')


GUARD = "@hookimpl\ndef llms_middleware(): return []\n"
UNUSABLE = {
    "an import that fails": f"import gone\n{GUARD}",
    "settings that it rejects": (
        f"from llms_core import ConfigError\n@hookimpl\ndef llms_configure(): raise ConfigError('no rules')\n{GUARD}"
    ),
    "a middleware that is not async": "def around(): ...\n@hookimpl\ndef llms_middleware(): return [around]\n",
    "no list": "@hookimpl\ndef llms_middleware(): pass\n",
    "a failure": "@hookimpl\ndef llms_middleware(): 1 / 0\n",
    "a chooser": "import gone\n@hookimpl\ndef llms_candidates(): ...\n",
}


@pytest.mark.parametrize("source", UNUSABLE.values(), ids=UNUSABLE)
def test_a_plugin_that_the_user_has_configured_is_not_left_out(
    served: Serve, first: ScriptedUpstream, tmp_path: Path, source: str
) -> None:
    """It may be a guard. The user decides that it is none with `fail`, or by removing the table."""
    path = tmp_path / "guarding.py"
    path.write_text(f"from llms_core import hookimpl\n{source}", "utf-8")
    load = f"{NO_RETRIES}[plugins]\nload = ['{path}']\n"
    reason = "the gateway does not run without this plugin"
    expected = rf"plugins.toml:\d+: plugin.guarding: {reason}.*guarding.*fail = .open."
    for table in ("", '[plugin.guarding]\nfail = "open"\n'):
        gateway = served(first_alone(first), load + table)
        assert gateway.healthy(timeout=5)
        assert "guarding" in gateway.log()
    with pytest.raises(ConfigError, match=expected):
        served(first_alone(first), f"{load}[plugin.guarding]\n")


def test_a_middleware_that_returns_nothing_is_a_failure(ask: Ask) -> None:
    refused = ask("await forward(call)").chat()
    assert error_of(refused)["code"] == "plugin_failed"


def test_a_function_that_is_not_async_is_left_out_with_a_message(ask: Ask, tmp_path: Path) -> None:
    client = ask(
        "return await forward(call)\n\n@hookimpl(specname='llms_middleware')\ndef other():\n    return [len]"
    )
    assert client.chat().status_code == 200


def test_middleware_reads_chat_whatever_the_clients_dialect(
    ask: Ask, first: ScriptedUpstream
) -> None:
    client = ask(
        'return (await forward(call)).with_headers({"x-saw": str([m.role for m in call.request.messages])})'
    )
    body = {
        "model": "m",
        "max_tokens": 9,
        "system": "S",
        "messages": [{"role": "user", "content": "Hi"}],
    }
    assert client.post(body, "/v1/messages").headers["x-saw"] == "['system', 'user']"
    assert (
        client.post({"model": "m", "input": "Hi"}, "/v1/responses").headers["x-saw"] == "['user']"
    )


def test_tags_reach_the_middleware(ask: Ask) -> None:
    client = ask('return (await forward(call)).with_headers({"x-saw": "|".join(call.tags)})')
    assert client.chat({"x-llms-tag": "a, b"}).headers["x-saw"] == "a|b"
