"""Every adapter's answers as Gemini's: whole and streamed, as Google's SDK reads them, and sent back."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from gemini_requests import Json, check_pieces, parts_of, pieces_of, upstream_request
from google.genai.types import GenerateContentResponse
from hypothesis import given, settings
from hypothesis import strategies as st

from llms_core.contracts.chunk import Chunk
from llms_core.dialects import ErrorResponse
from llms_core.dialects.gemini.answer import encode_answer
from llms_core.dialects.gemini.stream import GeminiStreamWriter
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
)
#: Log probabilities and several candidates have tests of their own.
ONES = tuple(name for name in EXAMPLES if name not in ("several", "logprobs"))
FAILED = ErrorResponse(
    status=502, message="The stream broke", type="api_error", code="bad_response"
)
FINISH_REASONS = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "tool_calls": "STOP",
    "content_filter": "SAFETY",
}


@cache
def subject_of(provider: str) -> Subject:
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


def written(chunks: Any, *, complete: bool = True, is_sse: bool = True) -> bytes:
    """Write chunks, each as it arrives, as a client gets them."""
    writer = GeminiStreamWriter(subject_of("openai").call(stream=True).body.with_context(is_sse))
    data = b"".join(writer.write([chunk]) for chunk in chunks)
    return data + (writer.end() if complete else writer.error(FAILED))


def streamed(provider: str, example: Example) -> list[Json]:
    (outcome,) = outcomes(provider, [stream_of(provider, example)])
    assert outcome.error is None
    return pieces_of(written(outcome.chunks))


def whole(provider: str, name: str, example: Example) -> Json:
    subject = subject_of(provider)
    body = example.whole if isinstance(example.whole, bytes) else encode_json(example.whole)
    outcome = play_completion(subject, Response([body]), **members_for(name, example))
    assert outcome.completion is not None
    answer: Json = json.loads(encode_answer(outcome.completion, subject.call().body))
    GenerateContentResponse.model_validate(answer)
    return answer


def meaning(pieces: list[Json]) -> Json:
    """What a client makes of an answer."""
    parts = parts_of(pieces)
    last = pieces[-1]
    candidates = last.get("candidates") or [{"finishReason": "SAFETY"}]
    usage = last.get("usageMetadata", {})
    return {
        "text": "".join(
            part["text"] for part in parts if "text" in part and not part.get("thought")
        ),
        "thinking": "".join(part["text"] for part in parts if part.get("thought")),
        "calls": [
            (call["name"], call["args"]) for part in parts if (call := part.get("functionCall"))
        ],
        "finish": candidates[0]["finishReason"],
        "tokens": (
            usage.get("promptTokenCount"),
            usage.get("candidatesTokenCount"),
            usage.get("thoughtsTokenCount"),
        ),
    }


@pytest.mark.parametrize("name", ONES)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_means_what_the_provider_answered(provider: str, name: str) -> None:
    example = example_of(provider, name)
    expected = example.choices[0]
    found = meaning([whole(provider, name, example)])
    assert found["text"] == expected.text
    assert found["calls"] == [(call.name, call.arguments) for call in expected.calls]
    assert found["thinking"] in (expected.reasoning, "")
    assert found["finish"] == FINISH_REASONS[expected.finish_reason]


@pytest.mark.parametrize("name", ONES)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_streamed_answer_is_the_same(provider: str, name: str) -> None:
    example = example_of(provider, name)
    pieces = streamed(provider, example)
    check_pieces(pieces)
    for piece in pieces:
        GenerateContentResponse.model_validate(piece)
    expected = meaning([whole(provider, name, example)])
    found = meaning(pieces)
    assert {**found, "tokens": None} == {**expected, "tokens": None}
    if example.usage is not None:
        assert found["tokens"] == expected["tokens"]


@pytest.mark.parametrize("name", ONES)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_that_was_not_streamed_becomes_the_same_stream(provider: str, name: str) -> None:
    """SR-020"""
    example = example_of(provider, name)
    body = example.whole if isinstance(example.whole, bytes) else encode_json(example.whole)
    completion = play_completion(
        subject_of(provider), Response([body]), **members_for(name, example)
    ).completion
    assert completion is not None
    pieces = pieces_of(written(CHAT.as_chunks(completion)))
    check_pieces(pieces)
    assert meaning(pieces) == meaning([whole(provider, name, example)])


@pytest.mark.parametrize("without", ["nothing", "ids", "thoughts"])
@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("name", ["tool_call", "parallel_calls"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_a_provider_needs_back_returns_to_it(
    provider: str, name: str, is_streamed: bool, without: str
) -> None:
    """Signatures and reasoning survive in what clients keep of an answer: many leave out ids, and some the thoughts."""
    example = example_of(provider, name)
    pieces = streamed(provider, example) if is_streamed else [whole(provider, name, example)]
    turns = [candidate["content"] for piece in pieces for candidate in piece["candidates"]]
    calls = [
        part["functionCall"] for turn in turns for part in turn["parts"] if "functionCall" in part
    ]
    kept = set(example.kept)
    if without == "ids":
        kept -= {call.pop("id") for call in calls}
    if without == "thoughts":
        turns = [
            {**turn, "parts": [part for part in turn["parts"] if not part.get("thought")]}
            for turn in turns
        ]
    results = [{"functionResponse": {**call, "response": {"output": "42"}}} for call in calls]
    for result in results:
        del result["functionResponse"]["args"]
    names = dict.fromkeys(call.name for call in example.calls)
    request = {
        "contents": [
            {"role": "user", "parts": [{"text": "?"}]},
            *turns,
            {"role": "user", "parts": results},
        ],
        "tools": [{"functionDeclarations": [{"name": name} for name in names]}],
    }
    sent = upstream_request(subject_of(provider), request).content
    text = json.dumps(json.loads(sent), ensure_ascii=False)
    for each in kept:
        assert json.dumps(each, ensure_ascii=False)[1:-1] in text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["parallel_calls", "reasoning"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_stream_that_is_cut_anywhere_never_ends_an_answer(provider: str, name: str) -> None:
    """SR-058: the client gets the whole answer, or an error in place of the end."""
    data = stream_of(provider, example_of(provider, name))
    whole_answer = None
    for outcome in distinct(outcomes(provider, *([data[:end]] for end in range(len(data))))):
        is_complete = outcome.error is None
        pieces = pieces_of(written(outcome.chunks, complete=is_complete))
        check_pieces(pieces, complete=is_complete)
        array = json.loads(written(outcome.chunks, complete=is_complete, is_sse=False))
        assert array == pieces
        if is_complete:
            whole_answer = whole_answer or meaning(pieces)
            assert {**meaning(pieces), "tokens": None} == {**whole_answer, "tokens": None}
        else:
            assert pieces[-1].keys() == {"error"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["text", "parallel_calls", "reasoning"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_it_makes_no_difference_where_a_stream_is_split(provider: str, name: str) -> None:
    example = example_of(provider, name)
    stream = stream_of(provider, example)
    expected = meaning(streamed(provider, example))
    for outcome in distinct(
        outcomes(provider, *([stream[:cut], stream[cut:]] for cut in range(1, len(stream))))
    ):
        assert meaning(pieces_of(written(outcome.chunks))) == expected


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
@settings(max_examples=100)
@given(data=st.data(), calls=st.lists(ARGUMENTS, min_size=1, max_size=4))
def test_calls_whose_fragments_interleave_become_whole_parts(
    data: st.DataObject, calls: list[Json]
) -> None:
    rest = [json.dumps(arguments) for arguments in calls]
    begun: set[int] = set()
    deltas: list[Json] = [{"content": "I look."}]
    while any(rest):
        number = data.draw(
            st.sampled_from(
                [n for n, text in enumerate(rest) if text and (n in begun or n == len(begun))]
            )
        )
        size = data.draw(st.integers(1, len(rest[number])))
        piece = fragment(number, rest[number][:size], None if number in begun else f"c{number}")
        deltas.append({"tool_calls": [piece]})
        rest[number] = rest[number][size:]
        begun.add(number)
    pieces = pieces_of(written([*(chunk(delta) for delta in deltas), chunk({}, "tool_calls")]))
    check_pieces(pieces)
    assert meaning(pieces)["calls"] == [(f"tool_{n}", value) for n, value in enumerate(calls)]


@settings(max_examples=100)
@given(texts=st.lists(st.text(st.sampled_from('ab"\\\\\n{}:é🌍 ')), max_size=12))
def test_every_text_arrives_whatever_is_in_it(texts: list[str]) -> None:
    pieces = pieces_of(written([*(chunk({"content": text}) for text in texts), chunk({}, "stop")]))
    check_pieces(pieces)
    assert meaning(pieces)["text"] == "".join(texts)


def test_a_call_is_written_once_whatever_comes_late() -> None:
    late = fragment(0, "")
    late["function"]["name"] = "tool_0"
    call: Json = {"tool_calls": [fragment(0, "{}", "c0")]}
    deltas: list[Json] = [call, {"content": "Then I wait."}, {"tool_calls": [late]}]
    pieces = pieces_of(written([*(chunk(delta) for delta in deltas), chunk({}, "tool_calls")]))
    assert [sorted(part) for part in parts_of(pieces)] == [["functionCall"], ["text"]]


def test_a_pause_is_filled_with_what_googles_sdks_skip() -> None:
    data = written([chunk({"content": "a"}), chunk({}, "stop")])
    keep_alive = GeminiStreamWriter.keep_alive
    assert pieces_of(keep_alive + data.replace(b"\n\n", b"\n\n" + keep_alive)) == pieces_of(data)
