"""A provider's answer with a member of a type that no client could be told: an error in the client's dialect."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from llms_core.testing import Reply, ScriptedUpstream, events, json_body
from llms_core.testing.upstream.responses import message_item, response_body, response_events
from tests.conftest import Gateway, Serve
from tests.core.server.conftest import NO_RETRIES, Asking, Pair, chunk, first_alone, whole

Json = dict[str, Any]
Ask = Callable[[str, bool], tuple[int, str]]

GEMINI = "/v1beta/models/m"
BODIES: dict[str, Json] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Hi"}]},
    "/v1/messages": {"max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]},
    "/v1/responses": {"input": "Hi"},
    GEMINI: {"contents": [{"parts": [{"text": "Hi"}]}]},
}
TRANSLATED = [path for path in BODIES if path != "/v1/chat/completions"]
CALL = {"index": 0, "id": "c1", "type": "function", "function": {"name": 5, "arguments": "{}"}}
COUNTS = [5, "many", [], {"prompt_tokens": None}, {"completion_tokens": 1.5}, {"total_tokens": "x"}]


@pytest.fixture
def ask(pair: Pair, asking: Callable[[Gateway], Asking]) -> Ask:
    """Asks one API for an answer, whole or streamed, and returns its status and its text."""
    client = asking(pair.gateway)

    def send(path: str, stream: bool) -> tuple[int, str]:
        body = BODIES[path]
        if path != GEMINI:
            received = client.post({"model": "m", "stream": stream, **body}, path)
        else:
            action = "streamGenerateContent?alt=sse" if stream else "generateContent"
            received = client.post(body, f"{GEMINI}:{action}")
        assert "Traceback" not in client.gateway.log()
        return received.status_code, received.text

    return send


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", BODIES)
def test_counts_that_cannot_be_read_do_not_fail_the_answer(
    ask: Ask, first: ScriptedUpstream, path: str, stream: bool, counts: object
) -> None:
    first.default = answer({"content": "Hello!"}, "stop", stream, usage=counts)
    status, text = ask(path, stream)
    assert status == 200, text
    assert "Hello!" in text
    assert '"error":{' not in text


@pytest.mark.parametrize("path", TRANSLATED)
def test_an_answer_that_cannot_be_translated_is_the_providers_failure(
    ask: Ask, first: ScriptedUpstream, path: str
) -> None:
    first.default = answer({"content": None, "tool_calls": [CALL]}, "tool_calls", False)
    status, text = ask(path, False)
    assert status == 502
    assert "cannot be translated" in text


@pytest.mark.parametrize("member", ["content", "refusal"])
@pytest.mark.parametrize("value", [5, True, {"text": "x"}])
def test_a_text_of_another_type_cannot_be_translated_to_a_text_completion(
    served: Serve,
    asking: Callable[[Gateway], Asking],
    upstream: ScriptedUpstream,
    member: str,
    value: object,
) -> None:
    upstream.default = answer({"content": "Hello!", member: value}, "stop", False)
    client = asking(served(first_alone(upstream), NO_RETRIES))
    received = client.post({"model": "m", "prompt": "Hi"}, "/v1/completions")
    assert received.status_code == 502
    assert "cannot be translated" in received.text
    assert "Traceback" not in client.gateway.log()


@pytest.mark.parametrize("usage", COUNTS)
@pytest.mark.parametrize("stream", [False, True])
def test_counts_of_a_response_that_cannot_be_read_do_not_fail_it(
    served: Serve,
    asking: Callable[[Gateway], Asking],
    upstream: ScriptedUpstream,
    stream: bool,
    usage: object,
) -> None:
    received = passed_on(served, asking, upstream, stream, usage=usage)
    assert received.status_code == 200
    assert "Hello!" in received.text
    assert "response.failed" not in received.text


@pytest.mark.parametrize("id_", [None, 5, [], {}])
@pytest.mark.parametrize("stream", [False, True])
def test_a_response_without_an_id_is_passed_on_and_not_stored(
    served: Serve,
    asking: Callable[[Gateway], Asking],
    upstream: ScriptedUpstream,
    stream: bool,
    id_: object,
) -> None:
    received = passed_on(served, asking, upstream, stream, id=id_)
    assert received.status_code == 200
    assert "Hello!" in received.text
    assert "response.failed" not in received.text


def passed_on(
    served: Serve,
    asking: Callable[[Gateway], Asking],
    upstream: ScriptedUpstream,
    stream: bool,
    **members: object,
) -> Any:
    """What a client of the Responses API gets of a provider that speaks it, whose response has these members."""
    body = {**response_body(message_item("Hello!")), **members}
    upstream.default = json_body(body)
    if stream:
        frames = [
            f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
            for event in response_events(body)
        ]
        upstream.default = events(*[frame.encode() for frame in frames])
    config = first_alone(upstream)
    config["providers"]["first"] |= {"protocol": "responses"}
    client = asking(served(config, NO_RETRIES))
    received = client.post({"model": "m", "stream": stream, "input": "Hi"}, "/v1/responses")
    assert "Traceback" not in client.gateway.log()
    return received


def answer(message: Json, finish_reason: str, stream: bool, **members: Any) -> Reply:
    """A provider's answer in chat's JSON."""
    if not stream:
        return whole({"role": "assistant", **message}, finish_reason, **members)
    last = chunk({}, finish_reason)
    return events(
        chunk({"role": "assistant", **message}),
        last,
        {**chunk({}), "choices": [], **members},
        "[DONE]",
    )
