"""Answers of the Messages API that are passed on: their bytes, and what the core reads from them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from message_events import check_order, events_of, final_message
from recordings import Recording, for_each, pieces, recordings

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage
from llms_core.contracts.native import MESSAGES, NativeRequest, with_model
from llms_core.contracts.request import ChatCall, decode
from llms_core.errors import ErrorKind, ProviderError
from llms_core.failure import classify
from llms_core.native import message_format
from llms_core.native.messages import MessageEvents, read_message
from llms_core.operations.chat import CHAT
from llms_core.operations.stream import StreamReader
from llms_core.upstream.stream_decoder import StreamDecoder

Json = dict[str, Any]

SIGNATURE = "EqQBCgIYAhIkMWVn"
MESSAGE: Json = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [
        {"type": "thinking", "thinking": "Both.", "signature": SIGNATURE},
        {"type": "redacted_thinking", "data": SIGNATURE},
        {"type": "text", "text": "I look. 🌍"},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}},
        {"type": "tool_use", "id": "toolu_2", "name": "time", "input": {}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "cache_read_input_tokens": 4, "output_tokens": 7},
}


def call(*, stream: bool = True, model: str = "claude-sonnet-4-5") -> ChatCall:
    body = json.dumps(
        {"model": model, "stream": stream, "messages": [{"role": "user", "content": "Hello!"}]}
    )
    return ChatCall(
        body=decode(body.encode()),
        upstream_model="claude-sonnet-4-5",
        client_model=model,
        id="chatcmpl-1",
        created=1,
        native=NativeRequest(MESSAGES, body.encode(), {}),
    )


def read_error(data: bytes) -> ProviderError:
    return classify(200, {}, data)


def framed(*events: Json) -> bytes:
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (each["type"].encode(), json.dumps(each).encode())
        for each in events
    )


def reader_of(request: ChatCall) -> StreamReader:
    return StreamReader(MessageEvents(request, read_error))


def read(
    data: bytes, size: int = 0, request: ChatCall | None = None
) -> tuple[list[Chunk], StreamReader]:
    """The chunks of a stream that ends after `data`, which arrives in pieces; none that is held back for ever."""
    reader = reader_of(request or call())
    decoder = StreamDecoder(reader)
    chunks = []
    for piece in pieces(data, size or len(data) or 1):
        chunks += decoder.feed(piece)
    if not reader.finished:
        chunks += decoder.feed(b"")
    if reader.complete:
        chunks += reader.held_back()
    return chunks, reader


def sent(chunks: Iterable[Chunk]) -> bytes:
    return b"".join(chunk.data for chunk in chunks if chunk.native)


def is_success(recording: Recording) -> bool:
    return recording.status == 200


def model_of(recording: Recording) -> str:
    """The name of the model that the provider answers with, so that nothing is replaced."""
    if not recording.stream:
        return str(json.loads(recording.body)["model"])
    start = next(event for event in events_of(recording.body) if event["type"] == "message_start")
    return str(start["message"]["model"])


@for_each(recordings("anthropic", is_success))
def test_a_recorded_answer_is_passed_on_byte_for_byte(recording: Recording) -> None:
    request = call(stream=recording.stream, model=model_of(recording))
    if not recording.stream:
        assert read_message(request, recording.body, read_error).data == recording.body
        return
    for size in (0, 1, 7, 100):
        chunks, reader = read(recording.body, size, request)
        assert reader.complete
        assert sent(chunks) == recording.body


@for_each(recordings("anthropic", is_success))
def test_only_the_model_is_replaced_in_a_recorded_answer(recording: Recording) -> None:
    own, other = model_of(recording).encode(), b"a-name-for-clients"
    request = call(stream=recording.stream, model=other.decode())
    if recording.stream:
        passed = sent(read(recording.body, 0, request)[0])
    else:
        passed = read_message(request, recording.body, read_error).data
    spelled = [b'"model":"%b"' % own, b'"model": "%b"' % own]
    expected = recording.body
    for text in spelled:
        expected = expected.replace(text, text.replace(own, other), 1)
    assert passed == expected


@for_each(recordings("anthropic", is_success))
def test_a_recorded_answer_has_the_usage_that_it_reports(recording: Recording) -> None:
    if recording.stream:
        chunks, _ = read(recording.body)
        usage = CHAT.usage(next(chunk for chunk in chunks if chunk.usage))
        counts = final_message(recording.body).usage.model_dump()
    else:
        usage = read_message(call(stream=False), recording.body, read_error).usage
        counts = json.loads(recording.body)["usage"]
    assert usage is not None
    cached = (counts.get("cache_read_input_tokens") or 0) + (
        counts.get("cache_creation_input_tokens") or 0
    )
    assert usage.prompt_tokens == counts["input_tokens"] + cached
    assert usage.completion_tokens == counts["output_tokens"]


def test_a_stream_that_is_cut_at_any_byte_has_no_terminal_event() -> None:
    data = sent(message_format.as_chunks(Completion(json.dumps(MESSAGE).encode())))
    for end in range(len(data)):
        chunks, reader = read(data[:end])
        passed = sent(chunks)
        if reader.complete:
            # Only the blank line after the last event is missing, or a part of it.
            assert passed == data
            assert end >= len(data) - 2
            continue
        assert reader.failure is not None or not reader.complete
        assert b"message_delta" not in passed
        assert b"message_stop" not in passed
        assert data.startswith(passed)


def test_content_begins_with_the_first_delta_or_a_block_that_is_not_empty() -> None:
    start = {"type": "message_start", "message": {**MESSAGE, "content": []}}
    empty = {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "text", "text": ""},
    }
    delta = {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "Hi"},
    }
    tool = {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "tool_use", "id": "x", "name": "y"},
    }
    reader = reader_of(call())
    decoder = StreamDecoder(reader)
    for event, has_content in (
        (start, False),
        ({"type": "ping"}, False),
        (empty, False),
        (delta, True),
        (tool, True),
    ):
        [chunk] = decoder.feed(framed(event))
        assert chunk.content is has_content


def test_a_stream_that_reports_an_error_fails_with_it() -> None:
    error = {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "Overloaded, try later"},
    }
    start = {"type": "message_start", "message": {**MESSAGE, "content": []}}
    chunks, reader = read(framed(start, error))
    assert b"Overloaded" not in sent(chunks)
    assert reader.failure is not None
    assert reader.failure.message == "Overloaded, try later"


@pytest.mark.parametrize(
    "events",
    [
        [
            {
                "type": "content_block_start",
                "index": 0,
                "content_block": {"type": "text", "text": ""},
            }
        ],
        [
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": "Hi"},
            }
        ],
        [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}],
        [{"type": "message_stop"}],
        [
            {"type": "message_start", "message": {**MESSAGE, "content": []}},
            {"type": "message_stop"},
        ],
        [
            {"type": "message_start", "message": MESSAGE},
            {"type": "message_start", "message": MESSAGE},
        ],
    ],
)
def test_events_out_of_order_are_no_answer(events: list[Json]) -> None:
    _, reader = read(framed(*events))
    assert not reader.complete
    assert reader.failure is not None
    assert reader.failure.kind is ErrorKind.BAD_RESPONSE


def test_what_servers_leave_out_of_their_blocks_is_added() -> None:
    """Clients do without a block that has no start, and lose a call that has no stop."""
    chunks, reader = read(
        framed(
            {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": "Hi"},
            },
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn"},
                "usage": {"output_tokens": 1},
            },
            {"type": "message_stop"},
        )
    )
    assert reader.complete
    check_order(events_of(sent(chunks)))
    [block] = final_message(sent(chunks)).content
    assert block.type == "text"
    assert block.text == "Hi"


def test_events_without_a_name_get_their_type_as_one() -> None:
    reader = reader_of(call())
    start = json.dumps({"type": "message_start", "message": {**MESSAGE, "content": []}}).encode()
    [chunk] = StreamDecoder(reader).feed(b"data: " + start + b"\n\n")
    assert chunk.data.startswith(b"event: message_start\ndata: {")


@pytest.mark.parametrize("name", ["ping\n\nevent: error", "ping\rdata: x", "\u2028"])
def test_a_type_cannot_break_out_of_its_line(name: str) -> None:
    [chunk] = MessageEvents(call(), read_error).feed("", json.dumps({"type": name}).encode())
    assert chunk.data.startswith(b"data: {")
    assert len(chunk.data.strip().splitlines()) == 1


def test_an_unreadable_usage_does_not_fail_the_answer() -> None:
    body = json.dumps({**MESSAGE, "usage": {"input_tokens": "many"}}).encode()
    assert read_message(call(stream=False), body, read_error).usage is None


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b'{"content": "text"}', b'{"content": [], "type": "error"}', b"\xff"]
)
def test_what_is_no_message_is_not_passed_on(body: bytes) -> None:
    with pytest.raises(ProviderError) as raised:
        read_message(call(stream=False), body, read_error)
    assert raised.value.kind is ErrorKind.BAD_RESPONSE


def test_an_error_in_place_of_a_message_is_the_providers_error() -> None:
    error = {
        "type": "error",
        "error": {"type": "rate_limit_error", "message": "Too many requests", "code": "429"},
    }
    with pytest.raises(ProviderError, match="Too many requests"):
        read_message(call(stream=False), json.dumps(error).encode(), read_error)


@for_each(recordings("anthropic", lambda each: each.status == 200 and each.stream))
def test_a_stream_that_was_not_requested_becomes_the_message_that_the_sdk_makes_of_it(
    recording: Recording,
) -> None:
    chunks, _ = read(recording.body)
    answer = CHAT.from_chunks(chunks)
    assert answer.native == MESSAGES
    assert answer.usage is not None
    made = json.loads(answer.data)
    expected = final_message(recording.body).model_dump(
        mode="json", exclude_unset=True, warnings=False
    )
    assert [without_nulls(block) for block in made["content"]] == [
        without_nulls(block) for block in expected["content"]
    ]
    for name in ("id", "role", "stop_reason", "stop_sequence"):
        assert made[name] == expected[name]


@for_each(recordings("anthropic", lambda each: each.status == 200 and not each.stream))
def test_an_answer_that_came_whole_becomes_a_stream_of_the_same_message(
    recording: Recording,
) -> None:
    answer = read_message(call(), recording.body, read_error)
    data = sent(CHAT.as_chunks(answer))
    chunks, reader = read(data)
    assert reader.complete
    assert sent(chunks) == data
    made = json.loads(CHAT.from_chunks(chunks).data)
    expected = json.loads(recording.body)
    assert made["content"] == expected["content"]
    assert made["stop_reason"] == expected["stop_reason"]
    usage = {name: value for name, value in expected["usage"].items() if value is not None}
    assert made["usage"].items() >= usage.items()


def without_nulls(block: Json) -> Json:
    """A block without members that make no difference, and without the input that the SDK loses."""
    others = {"parsed_output"}
    if block["type"] == "mcp_tool_use":
        others.add("input")
    return {
        name: value for name, value in block.items() if value is not None and name not in others
    }


def test_an_answer_that_came_whole_is_read_by_the_sdk_as_a_stream() -> None:
    data = sent(CHAT.as_chunks(Completion(json.dumps(MESSAGE).encode(), native=MESSAGES)))
    check_order(events_of(data))
    message = final_message(data)
    assert [block.type for block in message.content] == [
        block["type"] for block in MESSAGE["content"]
    ]
    assert message.usage.output_tokens == 7


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ("type", "index", "delta", "text", "content_block", "message", "usage", "stop_reason", "input_tokens", "model")
    ), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
event_types = st.sampled_from(
    ("message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
     "message_stop", "ping", "error", "future")
)  # fmt: skip
hostile_events = st.lists(
    st.tuples(event_types, json_values).map(
        lambda pair: {
            **(pair[1] if isinstance(pair[1], dict) else {"delta": pair[1]}),
            "type": pair[0],
        }
    ),
    max_size=8,
)


@given(hostile_events)
@example(
    [
        {"type": "message_start", "message": {"usage": 1}},
        {"type": "message_delta", "delta": None, "usage": []},
    ]
)
def test_any_events_are_an_answer_or_an_error(events: list[Json]) -> None:
    chunks, reader = read(framed(*events))
    if not reader.complete:
        assert b'"type": "message_stop"' not in sent(chunks)
        return
    answer = CHAT.from_chunks(chunks)
    assert isinstance(json.loads(answer.data)["content"], list)


@given(
    st.dictionaries(
        st.sampled_from(("content", "usage", "stop_reason", "type", "model", "container")),
        json_values,
    )
)
@example({"content": [{"type": "tool_use", "input": 5}, {"type": "text", "text": 3}], "usage": []})
@example({"content": [{"type": "text", "text": "x", "citations": 7}]})
def test_any_whole_answer_is_a_stream_or_an_error(message: Json) -> None:
    try:
        answer = read_message(call(), json.dumps(message).encode(), read_error)
    except ProviderError:
        return
    data = sent(CHAT.as_chunks(answer))
    assert events_of(data)[-1] == {"type": "message_stop"}


@given(
    st.dictionaries(st.text(max_size=5), json_values, max_size=5), st.text(min_size=1, max_size=8)
)
@example({"model": "m", "metadata": {"model": "m"}}, "other")
@example({"a": '"model":"m"', "model": "m"}, '"quoted"')
@example({"model": 5}, "other")
def test_only_the_model_of_an_object_is_replaced(members: Json, model: str) -> None:
    replaced = with_model(json.dumps(members, ensure_ascii=False).encode(), model)
    assert json.loads(replaced) == {**members, "model": model}


def test_the_spelling_of_a_request_survives_another_model() -> None:
    body = b'{ "max_tokens": 1.0e2,\n "model" :"m", "x":"\\u00e4"}'
    assert with_model(body, "other") == b'{ "max_tokens": 1.0e2,\n "model" :"other", "x":"\\u00e4"}'


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a","x":1,"model":"b"}',
        b'{"mod\\u0065l":"a","model":"b"}',
        b'{"model":"a","mod\\u0065l":"b"}',
    ],
)
def test_a_model_cannot_hide_behind_another(body: bytes) -> None:
    replaced = with_model(body, "other")
    assert [
        value for name, value in json.loads(replaced, object_pairs_hook=list) if name == "model"
    ][-1] == "other"
    assert json.loads(replaced)["model"] == "other"


def test_a_usage_of_zeros_does_not_replace_what_was_counted() -> None:
    start = {"type": "message_start", "message": {**MESSAGE, "content": []}}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    counts = {"input_tokens": 0, "output_tokens": 12}
    chunks, _ = read(framed(start, {**end, "usage": counts}, {"type": "message_stop"}))
    usage = CHAT.usage(next(chunk for chunk in chunks if chunk.usage))
    assert usage == Usage(
        prompt_tokens=13,
        completion_tokens=12,
        prompt_tokens_details={"cached_tokens": 4, "cache_write_tokens": 0},
    )
