"""Which chunks carry a part of the answer."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from llms_core.contracts.chunk import ChunkView, DeltaView

BEARS: list[dict[str, Any]] = [
    {"content": "Hi"},
    {"content": " "},
    {"role": "assistant", "content": "Hi"},
    {"content": [{"type": "text", "text": "Hi"}]},
    {"content": None, "reasoning_content": "Hm"},
    {"reasoning": "Hm"},
    {"refusal": "No."},
    {"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "f", "arguments": ""}}]},
    {"function_call": {"name": "f"}},
    {"audio": {"data": "UklGRg=="}},
    {"images": [{"type": "image_url", "image_url": {"url": "data:,"}}]},
]
EMPTY: list[dict[str, Any]] = [
    {},
    {"role": "assistant"},
    {"role": "assistant", "content": ""},
    {"content": None},
    {
        "role": "assistant",
        "content": "",
        "refusal": None,
        "tool_calls": None,
        "reasoning_content": "",
    },
    {"tool_calls": []},
    {"content": []},
    {"function_call": None, "audio": None, "images": None, "reasoning": None},
    {"something_new": "x"},
]


def delta(members: dict[str, Any]) -> DeltaView:
    return msgspec.json.decode(json.dumps(members).encode(), type=DeltaView)


@pytest.mark.parametrize("members", BEARS, ids=str)
def test_a_delta_with_a_part_of_the_answer_bears_content(members: dict[str, Any]) -> None:
    """SR-057: the stream is then committed to its provider."""
    assert delta(members).bears_content()


@pytest.mark.parametrize("members", EMPTY, ids=str)
def test_a_delta_without_a_part_of_the_answer_bears_no_content(members: dict[str, Any]) -> None:
    """SR-057: another provider can still answer."""
    assert not delta(members).bears_content()


def test_unknown_members_of_a_chunk_are_ignored() -> None:
    """SR-050."""
    text = b'{"id": 1, "choices": [{"index": 0, "delta": {"content": "Hi", "x": [1]}, "logprobs": {}}], "x_groq": {}}'
    view = msgspec.json.decode(text, type=ChunkView)
    assert view.choices is not None
    assert (len(view.choices), len(view.usage), len(view.error)) == (1, 0, 0)
