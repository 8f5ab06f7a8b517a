"""Operations that are forwarded: which answers count, which streams are complete, and what they used."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.forwarding import ForwardCall, read_usage
from llms_core.errors import ProviderError
from llms_core.openai_compatible import OPENAI_COMPATIBLE, OpenAICompatible
from llms_core.operations.forwarding import Forwarding
from llms_core.operations.images import GENERATIONS
from llms_core.operations.speech import SPEECH
from llms_core.operations.transcriptions import TRANSCRIPTIONS
from llms_core.provider import ProviderSettings
from llms_core.upstream.stream_decoder import StreamDecoder

ADAPTER = OpenAICompatible(
    OPENAI_COMPATIBLE, ProviderSettings(id="first", base_url="http://provider")
)
USAGE = {"input_tokens": 3, "output_tokens": 20, "total_tokens": 23}


def call(operation: Forwarding, *, events: bool = True, answers: int = 1) -> ForwardCall:
    return ForwardCall(
        operation=operation.name,
        upstream_model="up-m",
        client_model="m",
        events=events,
        answers=answers,
    )


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)


def read(operation: Forwarding, data: bytes, splits: list[int], *, answers: int = 1) -> list[Chunk]:
    """The chunks of a complete stream. Raises ProviderError if it is not."""
    reader = operation.stream(ADAPTER, call(operation, answers=answers))
    decoder = StreamDecoder(reader)
    bounds = [0, *sorted(split % (len(data) + 1) for split in splits), len(data)]
    chunks = []
    for start, end in itertools.pairwise(bounds):
        if start < end:
            chunks += decoder.feed(data[start:end])
    decoder.feed(b"")
    if reader.failure is not None:
        raise reader.failure
    if not reader.complete:
        raise ProviderError(kind=None, message="incomplete")  # type: ignore[arg-type]
    return [*chunks, *reader.held_back()]


STREAMS: dict[Forwarding, list[dict[str, Any]]] = {
    SPEECH: [
        {"type": "speech.audio.delta", "audio": "QUFB"},
        {"type": "speech.audio.done", "usage": USAGE},
    ],
    TRANSCRIPTIONS: [
        {"type": "transcript.text.delta", "delta": "Hi"},
        {"type": "transcript.text.done", "text": "Hi", "usage": USAGE},
    ],
    GENERATIONS: [
        {"type": "image_generation.partial_image", "b64_json": "QUFB", "partial_image_index": 0},
        {"type": "image_generation.completed", "b64_json": "QUFB", "usage": USAGE},
    ],
}


@pytest.mark.parametrize("operation", STREAMS, ids=lambda operation: operation.name)
@given(splits=st.lists(st.integers(0, 500), max_size=20), cut=st.integers(0, 500))
def test_a_stream_is_complete_or_an_error(
    operation: Forwarding, splits: list[int], cut: int
) -> None:
    data = sse(*STREAMS[operation])
    chunks = read(operation, data, splits)
    assert [json.loads(chunk.data) for chunk in chunks if not chunk.usage] == STREAMS[operation]
    (usage,) = [operation.usage(chunk) for chunk in chunks if chunk.usage]
    assert usage is not None
    assert usage.total_tokens == 23
    # The last blank line may be missing, and nothing else.
    with pytest.raises(ProviderError):
        read(operation, data[: cut % (len(data) - 2)], splits)


def test_a_stream_of_several_images_has_all_of_them() -> None:
    done = {"type": "image_generation.completed", "b64_json": "QUFB"}
    assert (
        len(
            [
                chunk
                for chunk in read(GENERATIONS, sse(done, done), [], answers=2)
                if not chunk.usage
            ]
        )
        == 2
    )
    with pytest.raises(ProviderError):
        read(GENERATIONS, sse(done), [], answers=2)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "error": {"message": "busy"}},
        {"error": {"message": "busy"}},
        {"type": "error"},
    ],
)
def test_an_error_in_a_stream_is_one(event: dict[str, Any]) -> None:
    with pytest.raises(ProviderError):
        read(SPEECH, sse(STREAMS[SPEECH][0], event), [])


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (USAGE, (3, 20, 23)),
        ({"prompt_tokens": 3, "completion_tokens": 20}, (3, 20, 23)),
        ({"total_tokens": 7}, (7, 0, 7)),
        ({"type": "duration", "seconds": 2}, (0, 0, 0)),
        ({"type": "duration", "seconds": -2}, None),
        ({"input_tokens": -1, "total_tokens": 7}, None),
        ({"input_tokens": "3"}, None),
        (None, None),
    ],
)
def test_the_tokens_of_an_answer_are_counted(
    usage: object, counts: tuple[int, int, int] | None
) -> None:
    found = read_usage(json.dumps({"usage": usage}).encode())
    assert (found and (found.prompt_tokens, found.completion_tokens, found.total_tokens)) == counts


def test_a_whole_answer_has_its_usage() -> None:
    body = json.dumps({"data": [{"b64_json": "QUFB"}], "usage": USAGE}).encode()
    answer = GENERATIONS.typed_answer(
        ADAPTER, call(GENERATIONS, events=False), body, "application/json"
    )
    assert answer.usage is not None
    assert answer.usage.total_tokens == 23
    assert answer.data is body
