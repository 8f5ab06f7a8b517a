"""A whole answer as a stream, for a client that requested one (SR-020)."""

from __future__ import annotations

import json
from typing import Any

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion
from llms_core.contracts.streamed import as_chunks

CALLS = [
    {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
    {"id": "call_2", "type": "function", "function": {"name": "g", "arguments": '{"a": 1}'}},
]
COUNTS = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def streamed(*choices: dict[str, Any], **more: object) -> tuple[list[Chunk], list[dict[str, Any]]]:
    frame = {
        "id": "c",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "m",
        "system_fingerprint": "fp",
    }
    chunks = as_chunks(Completion(data=json.dumps({**frame, "choices": choices, **more}).encode()))
    return chunks, [json.loads(chunk.data) for chunk in chunks]


def choice(index: int = 0, finish_reason: str = "stop", **message: object) -> dict[str, Any]:
    return {
        "index": index,
        "message": {"role": "assistant", **message},
        "finish_reason": finish_reason,
    }


def test_the_message_comes_first_and_the_finish_reason_last() -> None:
    """SR-054."""
    _, (first, last) = streamed(choice(content="Hello", finish_reason="length"))
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "Hello"}
    assert first["choices"][0]["finish_reason"] is None
    assert (last["choices"][0]["delta"], last["choices"][0]["finish_reason"]) == ({}, "length")


def test_all_chunks_have_the_same_envelope() -> None:
    """SR-053, SR-050: with additional members."""
    _, chunks = streamed(choice(content="Hello"), usage=COUNTS)
    frames = [
        {name: value for name, value in chunk.items() if name not in ("choices", "usage")}
        for chunk in chunks
    ]
    frame = {"id": "c", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "m"}
    assert frames == [{**frame, "system_fingerprint": "fp"}] * 3


def test_usage_is_a_separate_chunk_at_the_end() -> None:
    """SR-055: so that it can be withheld from clients that did not ask for it."""
    chunks, texts = streamed(choice(content="Hello"), usage=COUNTS)
    assert [chunk.usage for chunk in chunks] == [False, False, True]
    assert (texts[-1]["choices"], texts[-1]["usage"]) == ([], COUNTS)
    assert all("usage" not in text for text in texts[:-1])


def test_there_is_no_usage_chunk_without_usage() -> None:
    """SR-055."""
    chunks, _ = streamed(choice(content="Hello"))
    assert [chunk.usage for chunk in chunks] == [False, False]


def test_tool_calls_have_an_index() -> None:
    """SR-056."""
    _, (first, _) = streamed(choice(content=None, tool_calls=CALLS, finish_reason="tool_calls"))
    fragments = first["choices"][0]["delta"]["tool_calls"]
    assert fragments == [{**call, "index": number} for number, call in enumerate(CALLS)]


def test_all_choices_are_included() -> None:
    chunks, (first, last) = streamed(choice(0, content="A"), choice(1, "length", content="B"))
    assert [each["delta"]["content"] for each in first["choices"]] == ["A", "B"]
    assert [each["finish_reason"] for each in last["choices"]] == ["stop", "length"]
    assert (chunks[0].begun, chunks[1].ended) == ((0, 1), (0, 1))


def test_logprobs_and_additional_members_of_the_message_are_kept() -> None:
    """SR-050, SR-021."""
    whole = {
        **choice(content="Hi", reasoning_content="Hm", annotations=[]),
        "logprobs": {"content": []},
    }
    _, (first, _) = streamed(whole)
    assert first["choices"][0]["logprobs"] == {"content": []}
    assert first["choices"][0]["delta"]["reasoning_content"] == "Hm"


def test_the_stream_is_committed_and_complete() -> None:
    """SR-057: even if the message is empty."""
    chunks, _ = streamed(choice(content=""))
    assert (chunks[0].content, chunks[0].begun, chunks[1].ended) == (True, (0,), (0,))
