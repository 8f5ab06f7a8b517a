"""Chunks of a chat completion, with the members that are translated."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from llms_core.dialects.messages.answer import ChatMessage, Image


class FunctionFragment(msgspec.Struct):
    """A piece of a call's function."""

    name: str | None = None
    arguments: Raw = Raw()


class CallFragment(msgspec.Struct):
    """A fragment of a call; the first one has the id."""

    index: int = 0
    id: str | None = None
    function: FunctionFragment | None = None
    extra_content: dict[str, Any] | None = None


class Delta(msgspec.Struct):
    """The delta of a choice. Raw members are empty if absent."""

    content: Raw = Raw()
    reasoning_content: Raw = Raw()
    reasoning: Raw = Raw()
    refusal: Raw = Raw()
    tool_calls: list[CallFragment] | None = None
    images: list[Image] | None = None
    provider_extra: dict[str, Any] | None = None
    reasoning_details: list[dict[str, Any]] | None = None


class Choice(msgspec.Struct):
    """A choice of a chunk."""

    delta: Delta | None = None
    finish_reason: str | None = None


class ChunkView(msgspec.Struct):
    """A chunk."""

    choices: list[Choice] = []
    usage: Raw = Raw()


class Frame(msgspec.Struct):
    """What all chunks of a stream have in common."""

    id: str = ""
    model: str = ""


class WholeChoice(msgspec.Struct):
    """A choice whose delta is a whole message, of a provider that did not stream."""

    delta: ChatMessage


class WholeView(msgspec.Struct):
    """A chunk with such a choice."""

    choices: list[WholeChoice]


decode_chunk = msgspec.json.Decoder(ChunkView).decode
decode_frame = msgspec.json.Decoder(Frame).decode
decode_whole = msgspec.json.Decoder(WholeView).decode
