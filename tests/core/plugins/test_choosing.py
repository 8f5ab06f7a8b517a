"""Plugins choose among the candidates of a request (`llms_candidates`), refuse it, or fail."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from llms_core.testing import Reply, ScriptedUpstream, Seen, completion, json_body
from tests.core.server.conftest import HELLO, NO_RETRIES, Asking, error_of

if TYPE_CHECKING:
    from tests.conftest import Gateway, ProviderBlock, Serve

Ask = Callable[..., Asking]

KEY = "sk-of-ada"
KEYS = f'[server.keys]\nada = "sha256:{hashlib.sha256(KEY.encode()).hexdigest()}"\n'
OPEN = '[plugin.of_test]\nfail = "open"\n'

MESSAGES = ("/v1/messages", {"model": "m", "max_tokens": 9, "messages": HELLO})
RESPONSES = ("/v1/responses", {"model": "m", "input": "Hello!"})
GEMINI = (
    "/v1beta/models/m:generateContent",
    {"contents": [{"role": "user", "parts": [{"text": "Hello!"}]}]},
)


@pytest.fixture(autouse=True)
def _forget_modules() -> Iterator[None]:
    yield
    sys.modules.pop("llms_plugin_of_test", None)


@pytest.fixture
def ask(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    served: Serve,
    asking: Callable[[Gateway], Asking],
    plugin: Callable[[str], str],
) -> Ask:
    """Asks a gateway with the providers `first`, `second` and `third`, and a plugin: the body of the hook."""

    def start(
        body: str, arguments: str = "request, candidates, operation, caller", toml: str = ""
    ) -> Asking:
        lines = "".join(f"    {line}\n" for line in body.splitlines())
        hook = f"@hookimpl\ndef llms_candidates({arguments}):\n{lines}"
        source = f"from llms_core import RequestError\nheard = []\n{hook}"
        providers = {name: provider(upstream) for name in ("first", "second", "third")}
        return asking(served({"providers": providers}, NO_RETRIES + plugin(source) + toml))

    return start


def heard() -> list[Any]:
    found: list[Any] = sys.modules["llms_plugin_of_test"].heard
    return found


def served_by(client: Asking, **members: object) -> str:
    answer = client.chat(**members)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-llms-provider"]


@pytest.mark.parametrize(
    "arguments", ["candidates", "candidates, caller", "operation, candidates, request"]
)
def test_a_plugin_reorders_candidates_with_the_arguments_that_it_needs(
    ask: Ask, arguments: str
) -> None:
    assert served_by(ask("return candidates[::-1]", arguments)) == "third"


def test_a_plugin_removes_candidates(ask: Ask) -> None:
    assert (
        served_by(ask("return (each for each in candidates if each.provider_id != 'first')"))
        == "second"
    )


def test_none_leaves_the_candidates_unchanged(ask: Ask) -> None:
    assert served_by(ask("return None")) == "first"


def test_each_plugin_gets_what_the_one_before_left(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    served: Serve,
    asking: Callable[[Gateway], Asking],
    install: Any,
) -> None:
    install("a", "@hookimpl\ndef llms_candidates(candidates): return candidates[1:]\n")
    install("b", "@hookimpl\ndef llms_candidates(candidates): return candidates[1:]\n")
    providers = {name: provider(upstream) for name in ("first", "second", "third")}
    assert served_by(asking(served({"providers": providers}))) == "third"


def test_a_plugin_learns_who_asks_and_for_what(ask: Ask) -> None:
    client = ask("heard.append((caller, operation, request.model))", toml=KEYS)
    client.chat({"authorization": f"Bearer {KEY}"})
    ((caller, operation, model),) = heard()
    assert (caller.name, operation, model) == ("ada", "chat", "m")


def test_an_anonymous_caller_is_none(ask: Ask) -> None:
    client = ask("heard.append(caller)")
    client.chat()
    assert heard() == [None]


@pytest.mark.parametrize("stream", [False, True])
def test_a_plugin_refuses_in_its_own_words(
    ask: Ask, upstream: ScriptedUpstream, stream: bool
) -> None:
    client = ask(
        "raise RequestError('Not on Sundays', status=402, type='billing_error', code='sunday')"
    )
    refused = client.chat(stream=stream)
    assert refused.status_code == 402
    assert error_of(refused) == {
        "message": "Not on Sundays",
        "type": "billing_error",
        "code": "sunday",
        "param": None,
    }
    assert not upstream.requests


@pytest.mark.parametrize(
    ("path", "body"), [MESSAGES, RESPONSES, GEMINI], ids=["messages", "responses", "gemini"]
)
def test_a_plugin_refuses_in_the_clients_dialect(ask: Ask, path: str, body: object) -> None:
    refused = ask("raise RequestError('Not on Sundays', status=403)").post(body, path)
    assert (refused.status_code, refused.json()["error"]["message"]) == (403, "Not on Sundays")


@pytest.mark.parametrize("toml", ["", OPEN], ids=["closed", "open"])
def test_a_plugin_that_removes_every_candidate_refuses(
    ask: Ask, upstream: ScriptedUpstream, toml: str
) -> None:
    """That is no failure, so that it does not depend on `fail`."""
    refused = ask("return []", toml=toml).chat()
    assert refused.status_code == 403
    assert error_of(refused)["message"] == "Plugin 'of_test' removed every provider of model 'm'"
    assert error_of(refused)["code"] == "refused_by_plugin"
    assert not upstream.requests


def test_a_refused_count_of_tokens_is_not_estimated(
    upstream: ScriptedUpstream,
    served: Serve,
    asking: Callable[[Gateway], Asking],
    plugin: Callable[[str], str],
) -> None:
    block = {
        "type": "anthropic",
        "base_url": upstream.base_url,
        "api_key": "sk-marked-1",
        "models": ["m"],
    }
    toml = plugin("@hookimpl\ndef llms_candidates(): return []\n")
    body = {"model": "m", "messages": HELLO}
    refused = asking(served({"providers": {"first": block}}, toml)).post(
        body, "/v1/messages/count_tokens"
    )
    assert refused.status_code == 403


JUNK = {
    "a name": (
        "return ['first']",
        "returned a str among the candidates; return those of the argument `candidates`",
    ),
    "a text": ("return 'first'", "returned a str among the candidates"),
    "a number": ("return 3", "returned a int instead of a list of candidates, or None"),
    "one twice": ("return [candidates[0], candidates[0]]", "returned a candidate of 'first' twice"),
    "a changed one": (
        "import msgspec\nreturn [msgspec.structs.replace(candidates[0], upstream_model='other')]",
        "returned a candidate of 'first' which it was not offered; it can only reorder and remove candidates",
    ),
    "a generator that raises": ("yield candidates[0]\nraise KeyError('x')", "KeyError: 'x'"),
    "an exception": ("1 / 0", "ZeroDivisionError: division by zero"),
    "an exit": ("raise SystemExit(3)", "SystemExit: 3"),
    "a coroutine": (
        "async def later(): ...\nreturn later()",
        "the hook returned a coroutine; hooks must be synchronous functions",
    ),
}


@pytest.mark.parametrize(("body", "reason"), JUNK.values(), ids=JUNK)
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_plugin_that_fails_refuses_the_request(
    ask: Ask, upstream: ScriptedUpstream, body: str, reason: str
) -> None:
    """The client learns which plugin failed, and only the log has what it raised."""
    client = ask(body)
    refused = client.chat()
    assert refused.status_code == 500
    assert error_of(refused)["code"] == "plugin_failed"
    assert (
        error_of(refused)["message"]
        == "The plugin 'of_test' failed; the gateway's log has the details"
    )
    assert not upstream.requests
    log = client.gateway.log()
    assert "of_test.py: llms_candidates failed" in log
    assert reason in log


@pytest.mark.parametrize("body", [body for body, _ in JUNK.values()], ids=JUNK)
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_plugin_that_fails_open_changes_nothing(ask: Ask, body: str) -> None:
    client = ask(body, toml=OPEN)
    assert served_by(client) == "first"
    assert "of_test.py: llms_candidates failed" in client.gateway.log()


MODIFYING = """
request.messages.clear()
(request.tools or []).clear()
request.stop.append("more")
"""


def _anthropic(seen: Seen) -> Reply:
    message = {
        "id": "msg",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "stop_reason": "end_turn",
    }
    content = [{"type": "text", "text": "Hi"}]
    return json_body(
        {**message, "content": content, "usage": {"input_tokens": 1, "output_tokens": 1}}
    )


@pytest.mark.parametrize("kind", ["openai-compatible", "anthropic"])
def test_a_plugin_cannot_modify_the_lists_of_a_request(
    upstream: ScriptedUpstream,
    served: Serve,
    asking: Callable[[Gateway], Asking],
    plugin: Callable[[str], str],
    kind: str,
) -> None:
    """Neither what is sent as the client wrote it, nor what an adapter translates from the view."""
    upstream.default = Reply(_anthropic) if kind == "anthropic" else completion()
    lines = "".join(f"    {line}\n" for line in MODIFYING.strip().splitlines())
    toml = plugin(f"@hookimpl\ndef llms_candidates(request):\n{lines}")
    block = {"type": kind, "base_url": upstream.base_url, "api_key": "sk-marked-1", "models": ["m"]}
    client = asking(served({"providers": {"first": block}}, toml))
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    answer = client.chat(tools=[tool], stop=["one"])
    assert answer.status_code == 200, answer.text
    sent = upstream.requests[-1].json
    assert sent["messages"][0]["role"] == "user"
    assert len(sent["tools"]) == 1
    assert sent.get("stop", sent.get("stop_sequences")) == ["one"]


def test_a_plugin_cannot_set_a_member_of_a_request(ask: Ask) -> None:
    client = ask("request.model = 'other'")
    assert error_of(client.chat())["code"] == "plugin_failed"
    assert "AttributeError: immutable type: 'CommonChatRequest'" in client.gateway.log()
