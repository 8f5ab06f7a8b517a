"""K8: the answer that a stream makes up takes time in proportion to the stream's length."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
import pytest

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.native import MESSAGES
from llms_core.native import message_format
from llms_core.native.events import framed
from llms_core.native.generate_content_format import joined_pieces
from llms_core.testing.growth import assert_linear

Json = dict[str, Any]


def message_of(delta: Json, count: int) -> Callable[[], object]:
    block = {"type": "text", "text": "", "thinking": "", "signature": ""}
    events: list[Json] = [
        {"type": "message_start", "message": {"id": "msg_1", "usage": {}}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *[{"type": "content_block_delta", "index": 0, "delta": delta}] * count,
    ]
    chunks = [
        Chunk(framed(event["type"], msgspec.json.encode(event)), native=MESSAGES)
        for event in events
    ]
    return partial(message_format.joined, chunks, None)


@pytest.mark.parametrize(
    "delta",
    [
        {"type": "text_delta", "text": "x" * 99},
        {"type": "thinking_delta", "thinking": "x" * 99},
        {"type": "signature_delta", "signature": "x" * 99},
        {"type": "input_json_delta", "partial_json": '"' + "x" * 99 + '"'},
        {"type": "citations_delta", "citation": {"url": "https://example.com"}},
    ],
    ids=lambda delta: delta["type"],
)
def test_a_message_of_many_deltas_is_joined_in_linear_time(delta: Mapping[str, Any]) -> None:
    assert_linear("deltas of a message", partial(message_of, dict(delta)), 2000)


def test_an_answer_of_many_pieces_is_joined_in_linear_time() -> None:
    piece = {
        "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": "x" * 99}]}}]
    }

    def prepare(size: int) -> Callable[[], object]:
        return partial(joined_pieces, [piece] * size)

    assert_linear("pieces of an answer", prepare, 2000)
