"""A chunk of a streamed completion: its bytes, and a typed view of the members that the gateway reads.

The views declare only what the gateway looks at. Every other member stays in the raw bytes and is passed on unchanged.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType

from llms_core.contracts.json import is_set
from llms_core.contracts.signatures import Owner


class FunctionView(msgspec.Struct):
    """The function of a tool call fragment."""

    #: UNSET if absent: a fragment that repeats the name is not the same as one that omits it
    name: str | UnsetType | None = UNSET
    #: a piece of JSON text; some servers send the arguments themselves
    arguments: Raw = Raw()


class ToolCallView(msgspec.Struct):
    """A fragment of a tool call."""

    index: int | None = None
    #: UNSET if absent, as opposed to null or empty
    id: str | UnsetType | None = UNSET
    type: str | None = None
    function: FunctionView | None = None


class DeltaView(msgspec.Struct):
    """The delta of a choice."""

    role: str | None = None
    #: a list of parts with Mistral's reasoning models
    content: str | list[Raw] | None = None
    #: the model's reasoning, under either of the names that providers use
    reasoning_content: Raw = Raw()
    reasoning: Raw = Raw()
    refusal: str | None = None
    tool_calls: list[ToolCallView] | None = None
    function_call: Raw = Raw()
    audio: Raw = Raw()
    images: list[Raw] | None = None

    def bears_content(self) -> bool:
        """Whether the delta carries a part of the answer, so that the stream is committed to its provider (SR-057)."""
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
    """A choice of a chunk."""

    index: int = 0
    delta: DeltaView | None = None
    #: in place of `delta`, or after the deltas as a repetition of the whole message (MiniMax)
    message: DeltaView | None = None
    #: the same of the older API for text
    text: str | None = None
    finish_reason: str | None = None


class ChunkView(msgspec.Struct):
    """A `chat.completion.chunk`. Raw members are empty if absent."""

    choices: list[ChunkChoice] | None = None
    usage: Raw = Raw()
    error: Raw = Raw()


class NativeBlock(NamedTuple):
    """A whole content block of Anthropic's protocol, which other dialects than its own cannot express."""

    block: dict[str, Any]
    #: who signed it
    owner: Owner | None


class Chunk(msgspec.Struct):
    """A `chat.completion.chunk` as JSON, ready for the client, and what the gateway has to know about it."""

    #: the chunk as JSON
    data: bytes
    #: it carries a part of the answer
    content: bool = False
    #: indices of the choices that it has
    begun: tuple[int, ...] = ()
    #: indices of the choices that it ends with a finish_reason
    ended: tuple[int, ...] = ()
    #: with `ended`: it ends them in place of an earlier chunk, because there was more to come
    replaces_end: bool = False
    #: it is the usage of the whole stream, with `choices: []`; sent only to clients that asked for it (SR-055)
    usage: bool = False
    #: blocks that ended before this chunk, for dialects that have them: the JSON has as much of them as it can express
    blocks: tuple[NativeBlock, ...] = ()
    #: the client's own protocol, if `data` is bytes of it that are to be sent as they are: see `contracts.native`
    native: str = ""
