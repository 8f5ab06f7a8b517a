"""Every adapter's answers as Anthropic's messages: whole and streamed, as its SDK reads them, and sent back."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from anthropic.types import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from message_events import Json, check_order, check_types, events_of, final_message
from message_requests import upstream_request

from llms_core.contracts.chunk import Chunk
from llms_core.dialects.messages.answer import encode_answer
from llms_core.dialects.messages.stream import MessageStreamWriter
from llms_core.operations.chat import CHAT
from llms_core.testing.framing import encode_events, encode_json
from llms_core.testing.playback import Outcome, Response, distinct, feed_streams, play_completion
from llms_core.testing.sample_requests import members_for
from llms_core.testing.subject import Subject, find
from llms_core.testing.wire import EXAMPLES, Example

PROVIDERS = (
    "openai",
    "deepseek",
    "openrouter",
    "mistral",
    "azure",
    "anthropic",
    "google",
    "bedrock",
    "cohere",
    "ollama",
    # OpenAI's Responses API
    "responses",
)
#: A message has one answer, and no log probabilities.
ONES = tuple(name for name in EXAMPLES if name not in ("several", "logprobs"))


@cache
def subject_of(provider: str) -> Subject:
    if provider == "responses":
        return find("openai-compatible", None, "llms_core.testing.responses_wire:RESPONSES")
    return find(provider, None)


def example_of(provider: str, name: str) -> Example:
    example = subject_of(provider).wire.example(name)
    if example is None or not example.choices:
        pytest.skip(f"{provider} has no such answer")
    return example


def stream_of(provider: str, example: Example) -> bytes:
    if not example.events:
        pytest.skip("never streamed")
    return b"".join(encode_events(example.events, subject_of(provider).wire.framing))


def outcomes(provider: str, *streams: list[bytes]) -> list[Outcome]:
    return feed_streams(subject_of(provider), streams)


def written(provider: str, chunks: Any, *, complete: bool = True) -> bytes:
    """Write chunks, each as it arrives, as a client of a message gets them."""
    writer = MessageStreamWriter(subject_of(provider).call(stream=True).body)
    data = b"".join(writer.write([chunk]) for chunk in chunks)
    return data + writer.end() if complete else data


def streamed(provider: str, example: Example) -> tuple[bytes, Message]:
    (outcome,) = outcomes(provider, [stream_of(provider, example)])
    assert outcome.error is None
    data = written(provider, outcome.chunks)
    return data, final_message(data)


def whole(provider: str, name: str, example: Example) -> Message:
    subject = subject_of(provider)
    body = example.whole if isinstance(example.whole, bytes) else encode_json(example.whole)
    outcome = play_completion(subject, Response([body]), **members_for(name, example))
    assert outcome.completion is not None
    return Message.model_validate_json(
        encode_answer(outcome.completion, subject.call().body), strict=True
    )


def meaning(message: Message) -> Json:
    """What a client makes of a message."""
    blocks = message.content
    return {
        "text": "".join(block.text for block in blocks if block.type == "text"),
        "thinking": "".join(block.thinking for block in blocks if block.type == "thinking"),
        "calls": [(block.name, block.input) for block in blocks if block.type == "tool_use"],
        "stop": message.stop_reason,
        "tokens": (message.usage.input_tokens, message.usage.output_tokens),
    }


STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


@pytest.mark.parametrize("name", ONES)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_message_means_what_the_provider_answered(provider: str, name: str) -> None:
    example = example_of(provider, name)
    expected = example.choices[0]
    message = whole(provider, name, example)
    found = meaning(message)
    assert found["text"] == expected.text
    assert found["calls"] == [(call.name, call.arguments) for call in expected.calls]
    assert found["thinking"] in (expected.reasoning, "")
    assert found["stop"] == STOP_REASONS[expected.finish_reason]


@pytest.mark.parametrize("name", ONES)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_streamed_message_is_the_same_in_valid_events(provider: str, name: str) -> None:
    example = example_of(provider, name)
    data, message = streamed(provider, example)
    events = events_of(data)
    check_order(events)
    check_types(events)
    expected = meaning(whole(provider, name, example))
    found = meaning(message)
    assert {**found, "tokens": None} == {**expected, "tokens": None}
    if example.usage is not None:
        assert found["tokens"] == expected["tokens"]


@pytest.mark.parametrize("name", ONES)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_that_was_not_streamed_becomes_the_same_message(provider: str, name: str) -> None:
    """SR-020"""
    example = example_of(provider, name)
    body = example.whole if isinstance(example.whole, bytes) else encode_json(example.whole)
    completion = play_completion(
        subject_of(provider), Response([body]), **members_for(name, example)
    ).completion
    assert completion is not None
    data = written(provider, CHAT.as_chunks(completion))
    check_order(events_of(data))
    assert meaning(final_message(data)) == meaning(whole(provider, name, example))


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("name", ["tool_call", "parallel_calls"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_a_provider_needs_back_returns_to_it(
    provider: str, name: str, is_streamed: bool
) -> None:
    """Signatures and reasoning survive in what clients keep of a message: its content."""
    example = example_of(provider, name)
    message = streamed(provider, example)[1] if is_streamed else whole(provider, name, example)
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": "42"}
        for block in message.content
        if block.type == "tool_use"
    ]
    names = dict.fromkeys(call.name for call in example.calls)
    request = {
        "model": "m",
        "max_tokens": 4096,
        "messages": [
            {"role": "user", "content": "?"},
            {
                "role": "assistant",
                "content": [block.model_dump(exclude_none=True) for block in message.content],
            },
            {"role": "user", "content": results},
        ],
        "tools": [{"name": name, "input_schema": {"type": "object"}} for name in names],
    }
    sent = upstream_request(subject_of(provider), request).content
    text = json.dumps(json.loads(sent), ensure_ascii=False)
    for kept in example.kept:
        assert json.dumps(kept, ensure_ascii=False)[1:-1] in text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["parallel_calls", "reasoning"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_stream_that_is_cut_anywhere_never_ends_a_message(provider: str, name: str) -> None:
    """SR-058: the client gets the whole answer, or an error in place of the end."""
    data = stream_of(provider, example_of(provider, name))
    whole_events = None
    for outcome in distinct(outcomes(provider, *([data[:end]] for end in range(len(data))))):
        written_data = written(provider, outcome.chunks, complete=outcome.error is None)
        events = events_of(written_data)
        check_order(events, complete=outcome.error is None)
        if outcome.error is None:
            whole_events = whole_events or events
            assert [event["type"] for event in events] == [event["type"] for event in whole_events]


@settings(max_examples=25, deadline=None)
@given(
    data=st.data(),
    provider=st.sampled_from(PROVIDERS),
    name=st.sampled_from(["text", "parallel_calls", "reasoning"]),
)
def test_it_makes_no_difference_how_a_stream_is_split(
    data: st.DataObject, provider: str, name: str
) -> None:
    example = subject_of(provider).wire.example(name)
    if example is None or not example.events:
        return
    stream = stream_of(provider, example)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=20)))
    pieces = [
        stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
    ]
    (outcome,) = outcomes(provider, pieces)
    events = events_of(written(provider, outcome.chunks))
    check_order(events)
    assert meaning(final_message(written(provider, outcome.chunks))) == meaning(
        streamed(provider, example)[1]
    )


# Chunks that interleave


def chunk(delta: Json, finish_reason: str | None = None) -> Chunk:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return Chunk(json.dumps({"id": "chatcmpl-1", "model": "m", "choices": [choice]}).encode())


def fragment(index: int, arguments: str, id: str | None = None) -> Json:
    begin: Json = {"id": id, "type": "function"} if id else {}
    function: Json = (
        {"name": f"tool_{index}", "arguments": arguments} if id else {"arguments": arguments}
    )
    return {"index": index, **begin, "function": function}


ARGUMENTS = st.dictionaries(
    st.text(max_size=5), st.one_of(st.integers(), st.text(max_size=8), st.lists(st.none()))
)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(data=st.data(), calls=st.lists(ARGUMENTS, min_size=1, max_size=4))
def test_calls_whose_fragments_interleave_become_blocks_that_do_not(
    data: st.DataObject, calls: list[Json]
) -> None:
    texts = [json.dumps(arguments) for arguments in calls]
    rest = list(texts)
    begun: set[int] = set()
    deltas: list[Json] = [{"content": "I look."}]
    while any(rest):
        number = data.draw(
            st.sampled_from(
                [n for n, text in enumerate(rest) if text and (n in begun or n == len(begun))]
            )
        )
        size = data.draw(st.integers(1, len(rest[number])))
        deltas.append(
            {
                "tool_calls": [
                    fragment(number, rest[number][:size], None if number in begun else f"c{number}")
                ]
            }
        )
        rest[number] = rest[number][size:]
        begun.add(number)
    chunks = [chunk(delta) for delta in deltas]
    stream = written("openai", [*chunks, chunk({}, "tool_calls")])
    check_order(events_of(stream))
    assert meaning(final_message(stream))["calls"] == [
        (f"tool_{n}", value) for n, value in enumerate(calls)
    ]


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(st.text(st.sampled_from('ab"\\\\\n{}:é🌍 ')), max_size=12))
def test_every_text_arrives_whatever_is_in_it(texts: list[str]) -> None:
    chunks = [chunk({"content": text}) for text in texts]
    stream = written("openai", [*chunks, chunk({}, "stop")])
    check_order(events_of(stream))
    assert meaning(final_message(stream))["text"] == "".join(texts)


def test_text_is_not_delayed_by_a_call_that_is_complete() -> None:
    writer = MessageStreamWriter(subject_of("openai").call(stream=True).body)
    writer.write([chunk({"tool_calls": [fragment(0, "{}", "c0")]})])
    assert b"Then I wait." in writer.write([chunk({"content": "Then I wait."})])


def test_a_pause_is_filled_with_a_ping() -> None:
    assert events_of(MessageStreamWriter.keep_alive) == [{"type": "ping"}]
