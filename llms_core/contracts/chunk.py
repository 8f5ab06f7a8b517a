"""A chunk of a streamed completion: its bytes, and a light view of what the gateway has to know of it."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, UnsetType


class FunctionView(msgspec.Struct):
    """The function of a fragment of a tool call, as far as it is looked at. Unset is for absent."""

    name: str | UnsetType | None = UNSET


class ToolCallView(msgspec.Struct):
    """A fragment of a tool call, as far as it is looked at. Unset is for absent."""

    index: int | None = None
    id: str | UnsetType | None = UNSET
    type: str | None = None
    function: FunctionView | None = None


class DeltaView(msgspec.Struct):
    """What a delta bears, as far as it is looked at."""

    role: str | None = None
    content: str | list[Raw] | None = None
    reasoning_content: Raw = Raw()
    reasoning: Raw = Raw()
    refusal: str | None = None
    tool_calls: list[ToolCallView] | None = None
    function_call: Raw = Raw()
    audio: Raw = Raw()
    images: list[Raw] | None = None

    def bears_content(self) -> bool:
        """Whether a client that got this delta has got a part of the answer."""
        return bool(
            self.content
            or self.tool_calls
            or self.refusal
            or self.images
            or is_set(self.reasoning_content)
            or is_set(self.reasoning)
            or is_set(self.audio)
            or is_set(self.function_call)
        )


class ChunkChoice(msgspec.Struct):
    """A choice of a chunk, as far as it is looked at."""

    index: int = 0
    delta: DeltaView | None = None
    finish_reason: str | None = None


class ChunkView(msgspec.Struct):
    """A `chat.completion.chunk`, as far as it is looked at. `usage` and `error` are raw, empty where absent."""

    choices: list[ChunkChoice] | None = None
    usage: Raw = Raw()
    error: Raw = Raw()


class TextDelta(msgspec.Struct):
    """A delta that is a piece of text, of thoughts or of a refusal, and nothing else. See TextChunk."""

    content: str | None = None
    reasoning_content: Raw = Raw()
    reasoning: Raw = Raw()
    refusal: str | None = None
    role: None = None
    tool_calls: None = None
    function_call: None = None
    audio: None = None
    images: None = None

    def bears_content(self) -> bool:
        """Whether a client that got this delta has got a part of the answer."""
        return bool(self.content or self.refusal or is_set(self.reasoning_content) or is_set(self.reasoning))


class TextChoice(msgspec.Struct):
    """The one choice of a TextChunk."""

    delta: TextDelta
    index: int = 0
    finish_reason: None = None


class TextChunk(msgspec.Struct):
    """A `chat.completion.chunk` from its choices on, where they are one choice that goes on, as nearly all are.

    What is None here may not say anything: such a chunk does not fit, which the decoder finds out at no cost.
    """

    choices: tuple[TextChoice]
    usage: None = None
    error: None = None
    id: None = None
    created: None = None
    model: None = None
    object: None = None


class Chunk(msgspec.Struct):
    """A `chat.completion.chunk` as JSON, ready for the client.

    `content`: it bears a part of the answer. `begun` and `ended`: indices of the choices that it carries, and of those
    that it ends with a finish_reason. `usage`: it is the stream's last word on usage, with `choices: []`, sent on only
    to clients that asked for it (SR-055).
    """

    data: bytes
    content: bool = False
    begun: tuple[int, ...] = ()
    ended: tuple[int, ...] = ()
    usage: bool = False


def is_set(raw: Raw) -> bool:
    """Whether a member is there and says something."""
    return bool(raw) and bytes(raw) not in (b"null", b"false", b'""', b"{}", b"[]")
