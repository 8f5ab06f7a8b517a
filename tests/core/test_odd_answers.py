"""Answers that depart from OpenAI's contract in ways that public bug reports describe, whole and streamed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from llms_core.contracts.request import ChatCall, decode
from llms_core.errors import ErrorKind, ProviderError
from llms_core.openai_compatible import OPENAI_COMPATIBLE, OpenAICompatible
from llms_core.operations.chat import CHAT
from llms_core.provider import ProviderSettings
from llms_core.upstream.answer_format import read_answer
from llms_core.upstream.stream_decoder import StreamDecoder

Json = dict[str, Any]
ADAPTER = OpenAICompatible(OPENAI_COMPATIBLE, ProviderSettings(id="x", base_url="http://x"))
ENVELOPE: Json = {"id": "c1", "created": 1750000000, "model": "m"}


def call() -> ChatCall:
    body = decode(b'{"model":"m","messages":[{"role":"user","content":"x"}]}')
    return ChatCall(
        body=body, upstream_model="m", client_model="m", id="chatcmpl-1", created=1750000000
    )


def chunk(delta: Json | None, finish: str | None = None, **choice: Any) -> Json:
    deltas = {} if delta is None else {"delta": delta}
    return {**ENVELOPE, "choices": [{"index": 0, **deltas, "finish_reason": finish, **choice}]}


def sse(*events: Any) -> bytes:
    """A stream of events: JSON, or bytes as they are."""
    return b"".join(
        event if isinstance(event, bytes) else b"data: " + json.dumps(event).encode() + b"\n\n"
        for event in events
    )


def whole(choice: Json, **members: Any) -> Json:
    body = json.dumps({**ENVELOPE, "choices": [{"index": 0, **choice}], **members}).encode()
    answer: Json = json.loads(read_answer(CHAT, ADAPTER, call(), body).data)
    return answer


def streamed(body: bytes) -> tuple[list[Json], ProviderError | None]:
    """The chunks that a client gets of a stream, and the error that ends it."""
    decoder = StreamDecoder(CHAT.stream(ADAPTER, call()))
    chunks = decoder.feed(body)
    if not decoder.reader.finished:
        chunks += decoder.feed(b"")
    chunks += decoder.reader.held_back()
    return [json.loads(chunk.data) for chunk in chunks], decoder.reader.failure


def joined(body: bytes) -> Json:
    """The completion that a stream amounts to, which the gateway makes of it if a whole answer was requested."""
    answer: Json = json.loads(read_answer(CHAT, ADAPTER, call(), body).data)
    return answer


def text(chunks: Sequence[Json]) -> str:
    return "".join(
        choice["delta"].get("content") or "" for each in chunks for choice in each["choices"]
    )


ARGUMENTS = [
    ({"city": "Paris"}, {"city": "Paris"}),
    (None, {}),
    ("", {}),
    ([1], [1]),
    ('{"a": 1}', {"a": 1}),
]


@pytest.mark.parametrize(("sent", "meant"), ARGUMENTS)
def test_the_arguments_of_a_call_are_json_text(sent: object, meant: object) -> None:
    called = {"id": "c", "type": "function", "function": {"name": "f", "arguments": sent}}
    message = {"role": "assistant", "content": None, "tool_calls": [called]}
    answer = whole({"message": message, "finish_reason": "tool_calls"})
    assert (
        json.loads(answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])
        == meant
    )
    fragment = chunk({"role": "assistant", "tool_calls": [{"index": 0, **called}]})
    with_end = {**ENVELOPE, "choices": [{**fragment["choices"][0], "finish_reason": "stop"}]}
    for body in (sse(fragment, chunk({}, "tool_calls")), sse(with_end)):
        calls = joined(body)["choices"][0]["message"]["tool_calls"]
        assert json.loads(calls[0]["function"]["arguments"]) == meant


def test_arguments_after_the_end_are_not_joined_to_made_up_ones() -> None:
    first = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
    late = {"index": 0, "function": {"arguments": '{"a":1}'}}
    begin = chunk({"role": "assistant", "tool_calls": [first]})
    chunks, failure = streamed(
        sse(begin, chunk({}, "length"), chunk({"tool_calls": [late]}), b"data: [DONE]\n\n")
    )
    assert failure is None
    pieces = [
        fragment["function"]["arguments"]
        for each in chunks
        for choice in each["choices"]
        for fragment in choice["delta"].get("tool_calls") or ()
    ]
    assert "".join(pieces) == '{"a":1}'
    assert [choice["finish_reason"] for choice in chunks[-1]["choices"]] == ["length"]


def test_a_call_after_stop_changes_the_finish_reason() -> None:
    called = {
        "index": 0,
        "id": "c",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
    }
    events = [
        chunk({"role": "assistant", "content": "I look."}),
        chunk({}, "stop"),
        chunk({"tool_calls": [called]}),
    ]
    chunks, failure = streamed(sse(*events))
    reasons = [
        choice["finish_reason"]
        for each in chunks
        for choice in each["choices"]
        if choice["finish_reason"]
    ]
    assert (failure, reasons) == (None, ["tool_calls"])


@pytest.mark.parametrize(
    "keep_alive", ["", " ", "{}", "null", "ping", "[PING]", '{"type":"ping"}', '{"ping": 1}']
)
def test_keep_alives_are_ignored(keep_alive: str) -> None:
    event = b"data: " + keep_alive.encode() + b"\n\n"
    pieces = [
        chunk({"role": "assistant", "content": "a"}),
        event,
        chunk({"content": "b"}),
        event,
        chunk({}, "stop"),
    ]
    chunks, failure = streamed(sse(event, *pieces, event))
    assert (failure, text(chunks)) == (None, "ab")


def test_events_of_the_servers_own_are_ignored() -> None:
    progress = b'event: tool.progress\ndata: {"percent": 1}\n\n'
    chunks, failure = streamed(
        sse(chunk({"role": "assistant", "content": "a"}), progress, chunk({}, "stop"))
    )
    assert (failure, text(chunks)) == (None, "a")


@pytest.mark.parametrize("member", ["message", "text"])
def test_a_delta_is_read_wherever_it_is(member: str) -> None:
    def piece(content: str, finish: str | None = None) -> Json:
        value = content if member == "text" else {"role": "assistant", "content": content}
        return chunk(None, finish, **{member: value})

    chunks, failure = streamed(sse(piece("hel"), piece("lo"), piece("", "stop")))
    assert (failure, text(chunks)) == (None, "hello")


def test_a_message_after_deltas_is_not_the_answer_again() -> None:
    """MiniMax ends its streams so."""
    last = chunk(None, "stop", message={"role": "assistant", "content": "hello"})
    chunks, failure = streamed(
        sse(chunk({"role": "assistant", "content": "hel"}), chunk({"content": "lo"}), last)
    )
    assert (failure, text(chunks)) == (None, "hello")


@pytest.mark.parametrize("member", [{"delta": {"content": "hi"}}, {"text": "hi"}])
def test_a_message_is_read_wherever_it_is(member: Json) -> None:
    assert whole({**member, "finish_reason": "stop"})["choices"][0]["message"]["content"] == "hi"


def test_a_character_split_between_chunks_is_joined() -> None:
    halves = [chunk({"content": "a\ud83d"}), chunk({"content": "\ude00b"})]
    chunks, failure = streamed(
        sse(chunk({"role": "assistant", "content": ""}), *halves, chunk({}, "stop"))
    )
    assert (failure, text(chunks)) == (None, "a😀b")


def test_numbers_that_are_not_json_are_replaced() -> None:
    tokens = [{"token": "a", "logprob": float("-inf")}, {"token": "b", "logprob": float("nan")}]
    message = {"role": "assistant", "content": "NaN, Infinity"}
    answer = whole(
        {"message": message, "finish_reason": "stop", "logprobs": {"content": tokens}},
        timing=float("inf"),
    )
    assert [token["logprob"] for token in answer["choices"][0]["logprobs"]["content"]] == [
        -9999.0,
        -9999.0,
    ]
    assert (answer["choices"][0]["message"]["content"], answer["timing"]) == ("NaN, Infinity", None)


def test_an_unknown_finish_reason_is_an_error_without_content_only() -> None:
    message = {"role": "assistant", "content": "hi"}
    assert (
        whole({"message": message, "finish_reason": "new"})["choices"][0]["finish_reason"] == "stop"
    )
    with pytest.raises(ProviderError, match="new"):
        whole({"message": {"role": "assistant", "content": ""}, "finish_reason": "new"})
    begin = chunk({"role": "assistant", "content": ""})
    _, failure = streamed(sse(begin, chunk({}, "new")))
    assert failure is not None
    # The second piece of text takes the fast path.
    _, failure = streamed(
        sse(begin, chunk({"content": "h"}), chunk({"content": "i"}), chunk({}, "new"))
    )
    assert failure is None


def test_a_count_of_zero_does_not_replace_an_earlier_one() -> None:
    first = {
        **ENVELOPE,
        "choices": [],
        "usage": {"prompt_tokens": 25, "completion_tokens": 0, "total_tokens": 25},
    }
    last = {
        **ENVELOPE,
        "choices": [],
        "usage": {"prompt_tokens": 0, "completion_tokens": 9, "total_tokens": 9},
    }
    answer = joined(sse(first, chunk({"role": "assistant", "content": "a"}, "stop"), last))
    assert answer["usage"] == {"prompt_tokens": 25, "completion_tokens": 9, "total_tokens": 34}


ERRORS = [
    (
        {"object": "error", "message": "This model's maximum context length is 1", "code": 400},
        ErrorKind.CONTEXT_LENGTH,
    ),
    (
        {"base_resp": {"status_code": 1002, "status_msg": "rate limit"}, "choices": None},
        ErrorKind.RATE_LIMIT,
    ),
    (
        {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}, "choices": []},
        ErrorKind.QUOTA,
    ),
    ({"code": 20012, "message": "Model does not exist", "data": None}, ErrorKind.MODEL_NOT_FOUND),
    ({"error_code": 336, "error_msg": "Open api qps request limit reached"}, ErrorKind.RATE_LIMIT),
    ({"code": "42", "msg": "The server is busy"}, ErrorKind.OVERLOADED),
    ({"detail": "Invalid API key"}, ErrorKind.AUTH),
    ({"title": "Unauthorized", "status": 401, "error": {}, "message": "no"}, ErrorKind.AUTH),
]


@pytest.mark.parametrize(("body", "kind"), ERRORS, ids=lambda value: str(value)[:40])
def test_an_error_is_found_wherever_it_is(body: Json, kind: ErrorKind) -> None:
    with pytest.raises(ProviderError) as caught:
        read_answer(CHAT, ADAPTER, call(), json.dumps(body).encode())
    assert caught.value.kind is kind
    begin = chunk({"role": "assistant", "content": "a"})
    for error in (sse(body), b"\n" + json.dumps(body).encode() + b"\n\n"):
        _, failure = streamed(sse(begin, error))
        assert failure is not None
        assert failure.kind is kind


def test_an_error_event_may_be_plain_text() -> None:
    _, failure = streamed(b"event: error\ndata: The model is overloaded\n\n")
    assert failure is not None
    assert (failure.kind, failure.message) == (ErrorKind.OVERLOADED, "The model is overloaded")


@pytest.mark.parametrize("separator", ["data: {}\n\n", "{}\n"], ids=["sse", "lines"])
def test_a_stream_for_a_whole_answer_is_read(separator: str) -> None:
    events = [
        chunk({"role": "assistant", "content": "a"}),
        chunk({"content": "b"}),
        chunk({}, "stop"),
    ]
    body = "".join(separator.format(json.dumps(event)) for event in events).encode()
    answer = joined(body)
    assert (answer["object"], answer["choices"][0]["finish_reason"]) == ("chat.completion", "stop")
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "ab"}
    with pytest.raises(ProviderError):
        joined("".join(separator.format(json.dumps(event)) for event in events[:2]).encode())
