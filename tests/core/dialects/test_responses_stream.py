"""Streams of the Responses API: the life of every item, the end, errors, cuts and splits."""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai import OpenAI
from openai.types.responses import ResponseFunctionToolCall
from response_events import events_of, response_in

from llms_core.testing import Chunk, Close, Reply, ScriptedUpstream, Status, Wait, error, events
from tests.conftest import Serve
from tests.core.server.conftest import NO_RETRIES, Asking, chunk, first_alone, until, whole

Json = dict[str, Any]

RESPONSES = "/v1/responses"
USAGE = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}


def fragment(number: int, arguments: str, **begin: str) -> Json:
    """A chunk with a piece of a tool call; `id` and `name` begin it."""
    function = {"arguments": arguments}
    if "name" in begin:
        function = {"name": begin["name"], **function}
    call: Json = {"index": number, "function": function}
    if "id" in begin:
        call |= {"id": begin["id"], "type": "function"}
    return dict(chunk({"tool_calls": [call]}))


#: Everything in one answer: reasoning, text with a citation, and two calls.
EVERYTHING: Sequence[Json | str] = (
    dict(chunk({"role": "assistant", "reasoning_content": "I "})),
    dict(chunk({"reasoning_content": "think"})),
    dict(chunk({"content": "Grüße, "})),
    dict(chunk({"content": "\n\ndata: world 🌍"})),
    dict(
        chunk(
            {
                "annotations": [
                    {"type": "url_citation", "url_citation": {"url": "https://e.com", "title": "E"}}
                ]
            }
        )
    ),
    fragment(0, "", id="c1", name="f"),
    fragment(0, '{"a":'),
    fragment(0, '"b"}'),
    fragment(1, "{}", id="c2", name="f"),
    dict(chunk({"provider_extra": {"google": {"parts": [{"x": "sig"}]}}})),
    dict(chunk({}, "tool_calls")),
    {
        "id": "chatcmpl-up",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "choices": [],
        "usage": USAGE,
    },
    "[DONE]",
)


def encoded(frames: Sequence[Json | str] = EVERYTHING) -> bytes:
    """A provider's stream as bytes."""
    texts = [
        frame if isinstance(frame, str) else json.dumps(frame, ensure_ascii=False)
        for frame in frames
    ]
    return "".join(f"data: {text}\n\n" for text in texts).encode()


def streamed(ask: Asking, **members: object) -> str:
    body = {"model": "m", "input": "Go", "tools": [TOOL], "store": False, "stream": True, **members}
    response = ask.post(body, RESPONSES)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].partition(";")[0] == "text/event-stream"
    return response.text


def types(text: str) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events_of(text)]


def summary(response: Json) -> list[tuple[object, ...]]:
    """What the items of a response say."""
    found: list[tuple[object, ...]] = []
    for item in response["output"]:
        match item["type"]:
            case "message":
                found.append(
                    (
                        "message",
                        *(part.get("text", part.get("refusal")) for part in item["content"]),
                    )
                )
            case "reasoning":
                texts = [part["text"] for part in [*item["summary"], *item.get("content", [])]]
                found.append(("reasoning", *texts))
            case _:
                found.append((item["type"], item["call_id"], item["arguments"]))
    return found


def test_every_item_has_a_beginning_pieces_and_an_end(ask: Asking, first: ScriptedUpstream) -> None:
    first.default = events(*EVERYTHING)
    text = streamed(ask)
    response = response_in(text)
    assert summary(response) == [
        ("reasoning", "I think"),
        ("message", "Grüße, \n\ndata: world 🌍"),
        ("function_call", "c1", '{"a":"b"}'),
        ("function_call", "c2", "{}"),
        ("reasoning",),
    ]
    assert response["status"] == "completed"
    assert response["usage"]["total_tokens"] == 21
    assert [each for each in types(text) if each.startswith("output_item")] == [
        "output_item.added",
        "output_item.done",
    ] * 5


def test_the_events_of_a_text(ask: Asking, first: ScriptedUpstream) -> None:
    first.default = events(
        chunk({"content": "Hel"}), chunk({"content": "lo"}), chunk({}, "stop"), "[DONE]"
    )
    assert types(streamed(ask)) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]


def test_a_summary_of_reasoning_is_streamed_if_it_was_requested(
    ask: Asking, first: ScriptedUpstream
) -> None:
    first.default = events(*EVERYTHING)
    text = streamed(ask, reasoning={"summary": "auto"})
    assert summary(response_in(text))[0] == ("reasoning", "I think")
    assert types(text)[2:9] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
    ]


def test_signatures_that_come_at_the_end_come_back_to_their_provider(
    ask: Asking, first: ScriptedUpstream
) -> None:
    first.default = events(*EVERYTHING)
    output = response_in(streamed(ask))["output"]
    results = [
        {"type": "function_call_output", "call_id": each, "output": "done"} for each in ("c1", "c2")
    ]
    first.default = whole()
    ask.post(
        {"model": "m", "input": [*output, *results], "tools": [TOOL], "store": False}, RESPONSES
    )
    turn = first.requests[-1].json["messages"][0]
    assert turn["reasoning_content"] == "I think"
    assert [call["id"] for call in turn["tool_calls"]] == ["c1", "c2"]


def test_fragments_of_calls_may_be_mixed(ask: Asking, first: ScriptedUpstream) -> None:
    first.default = events(
        fragment(0, '{"a"', id="c1", name="f"),
        fragment(1, '{"b"', id="c2", name="f"),
        fragment(0, ":1}"),
        fragment(1, ":2}"),
        chunk({}, "tool_calls"),
        "[DONE]",
    )
    assert summary(response_in(streamed(ask))) == [
        ("function_call", "c1", '{"a":1}'),
        ("function_call", "c2", '{"b":2}'),
    ]


def test_a_call_is_done_as_soon_as_the_next_item_begins(
    ask: Asking, first: ScriptedUpstream
) -> None:
    """Codex runs it then."""
    first.default = events(
        fragment(0, "{}", id="c1", name="f"),
        chunk({"content": "And"}),
        chunk({}, "tool_calls"),
        "[DONE]",
    )
    text = streamed(ask)
    response_in(text)
    assert types(text).index("output_item.done") < types(text).index("output_text.delta")


def test_text_refusal_and_text(ask: Asking, first: ScriptedUpstream) -> None:
    first.default = events(
        chunk({"content": "a"}),
        chunk({"refusal": "b"}),
        chunk({"content": "c"}),
        chunk({}, "stop"),
        "[DONE]",
    )
    assert summary(response_in(streamed(ask))) == [("message", "a", "b", "c")]


@pytest.mark.parametrize("finish_reason", ["length", "content_filter"])
def test_a_stream_that_was_cut_by_the_provider_is_incomplete(
    ask: Asking, first: ScriptedUpstream, finish_reason: str
) -> None:
    first.default = events(chunk({"content": "Hel"}), chunk({}, finish_reason), "[DONE]")
    text = streamed(ask)
    assert types(text)[-1] == "incomplete"
    assert response_in(text)["output"][0]["status"] == "incomplete"


def test_an_empty_answer_is_an_empty_message(ask: Asking, first: ScriptedUpstream) -> None:
    first.default = events(chunk({"role": "assistant", "content": ""}), chunk({}, "stop"), "[DONE]")
    assert summary(response_in(streamed(ask))) == [("message", "")]


def test_a_provider_that_answers_whole_is_streamed(ask: Asking, first: ScriptedUpstream) -> None:
    first.default = whole({"role": "assistant", "content": "Hello!", "reasoning_content": "Hm"})
    assert summary(response_in(streamed(ask))) == [("reasoning", "Hm"), ("message", "Hello!")]


def test_an_error_before_the_answer_is_a_response_of_its_own(
    ask: Asking, first: ScriptedUpstream
) -> None:
    first.default = error(429)
    response = ask.post({"model": "m", "input": "Go", "stream": True}, RESPONSES)
    assert response.status_code == 429
    assert response.json()["error"]["code"] == "provider_error"


def test_an_error_in_mid_stream_is_an_error_and_a_failed_response(
    ask: Asking, first: ScriptedUpstream
) -> None:
    first.default = events(
        chunk({"content": "Hel"}),
        {"error": {"message": "Overloaded, sorry", "type": "overloaded_error"}},
    )
    text = streamed(ask)
    assert types(text)[-2:] == ["error", "failed"]
    reported = events_of(text)[-2]
    assert "Overloaded, sorry" in reported["message"]
    response = response_in(text)
    assert response["status"] == "failed"
    assert response["error"]["code"] == "server_error"
    assert response["output"][0]["content"][0]["text"] == "Hel"


@pytest.mark.slow
def test_a_cut_anywhere_is_the_whole_answer_or_an_error(
    ask: Asking, first: ScriptedUpstream
) -> None:
    """Never `response.completed` after a cut, and never an answer with other contents."""
    data = encoded()
    first.default = events(*EVERYTHING)
    expected = summary(response_in(streamed(ask)))
    outcomes = set()
    for end in range(0, len(data), 23):
        first.default = Reply(
            Status(200, {"content-type": "text/event-stream"}), Chunk(data[:end] or b":\n"), Close()
        )
        response = ask.post(
            {"model": "m", "input": "Go", "tools": [TOOL], "store": False, "stream": True},
            RESPONSES,
        )
        outcomes.add(_outcome(response, expected))
    assert outcomes == {"refused", "failed", "completed"}


def _outcome(response: httpx.Response, expected: list[tuple[object, ...]]) -> str:
    if response.status_code != 200:
        assert response.status_code == 502
        return "refused"
    found = response_in(response.text)
    if found["status"] == "completed":
        assert summary(found) == expected
    return str(found["status"])


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.lists(st.integers(1, len(encoded()) - 1), max_size=8, unique=True))
def test_the_answer_does_not_depend_on_how_the_providers_stream_is_split(
    ask: Asking, first: ScriptedUpstream, cuts: list[int]
) -> None:
    data = encoded()
    places = [0, *sorted(cuts), len(data)]
    pieces = [Chunk(data[start:end]) for start, end in itertools.pairwise(places)]
    first.default = Reply(Status(200, {"content-type": "text/event-stream"}), *pieces)
    assert summary(response_in(streamed(ask)))[1] == ("message", "Grüße, \n\ndata: world 🌍")


@pytest.fixture
def client(ask: Asking) -> Iterator[OpenAI]:
    with OpenAI(
        base_url=f"{ask.gateway.origin}/v1", api_key="not-needed", max_retries=0, timeout=20
    ) as client:
        yield client


def test_the_official_sdk_accumulates_the_stream(client: OpenAI, first: ScriptedUpstream) -> None:
    first.default = events(*EVERYTHING)
    with client.responses.stream(model="m", input="Go", reasoning={"summary": "auto"}) as stream:
        seen = [event.type for event in stream]
        response = stream.get_final_response()
    assert seen[-1] == "response.completed"
    assert response.output_text == "Grüße, \n\ndata: world 🌍"
    calls = [item for item in response.output if isinstance(item, ResponseFunctionToolCall)]
    assert [call.call_id for call in calls] == ["c1", "c2"]


def test_the_official_sdk_reads_a_whole_answer(client: OpenAI, first: ScriptedUpstream) -> None:
    first.default = whole()
    response = client.responses.create(model="m", input="Go")
    assert response.output_text == "Hello!"
    assert client.responses.retrieve(response.id).output_text == "Hello!"
    assert [item.type for item in client.responses.input_items.list(response.id)] == ["message"]
    client.responses.delete(response.id)


def test_a_client_that_closes_after_the_end_is_not_a_cancellation(
    served: Serve, upstream: ScriptedUpstream
) -> None:
    """Codex closes the connection when it has read `response.completed`."""
    gateway = served(first_alone(upstream), NO_RETRIES)
    go = threading.Event()
    upstream.default = events(chunk({"content": "Hello"}), chunk({}, "stop"), "[DONE]")
    body = json.dumps({"model": "m", "input": "Go", "stream": True}).encode()
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
            head = f"POST {RESPONSES} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
            received = b""
            while b"event: response.completed" not in received:
                received += connection.recv(65536)
    until(lambda: gateway.log().count(" provider=first ") == 5)
    assert gateway.log().count(" 200 model='m'") == 5
    # In the middle it is one.
    upstream.default = Reply(
        Status(200, {"content-type": "text/event-stream"}),
        Chunk(encoded([dict(chunk({"content": "Hello"}))])),
        Wait(go),
    )
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(head.encode() + body)
        received = b""
        while b"output_text.delta" not in received:
            received += connection.recv(65536)
    until(lambda: " 499 model='m'" in gateway.log())
    go.set()
