"""Translate the events of ConverseStream.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Any, Literal

import msgspec
from msgspec import Raw

from llms_core import ErrorKind, ProviderError
from llms_core.contracts.building import Chunks, arguments_text
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.request import ChatCall
from llms_providers.bedrock.answer import (
    SERVER_TOOL_USE,
    CamelStruct,
    Image,
    MessageExtra,
    Metadata,
    TokenUsage,
    image_part,
    provider_extra,
    translate_stop_reason,
)
from llms_providers.bedrock.errors import UNREADABLE, to_stream_error
from llms_providers.bedrock.models import family_of, function_names_of
from llms_providers.bedrock.output_format import answer_tool_of


class _ToolUseStart(CamelStruct):
    tool_use_id: str | None = None
    name: str = ""
    type: str | None = None


class _Start(CamelStruct):
    tool_use: _ToolUseStart | None = None
    image: Image | None = None


class _ToolUseDelta(CamelStruct):
    #: A piece of the arguments' JSON text; or the arguments themselves.
    input: Any = ""


class _ReasoningDelta(CamelStruct):
    # A delta has one of these.
    text: str | None = None
    signature: str | None = None
    redacted_content: bytes | None = None


class _Delta(CamelStruct):
    # A delta has one of these. Deltas of other kinds have none, and are ignored.
    text: str | None = None
    tool_use: _ToolUseDelta | None = None
    reasoning_content: _ReasoningDelta | None = None
    citation: dict[str, Any] | None = None
    image: Image | None = None


class _Event(Metadata):
    """An event of any kind, with the members of all kinds."""

    content_block_index: int = 0
    start: _Start = msgspec.field(default_factory=_Start)
    delta: _Delta = msgspec.field(default_factory=_Delta)
    stop_reason: str = ""
    usage: TokenUsage | None = None


_decode_event = msgspec.json.Decoder(_Event).decode


class ConverseChunks:
    """Translates the events of one stream."""

    framing: Literal["aws"] = "aws"

    def __init__(self, call: ChatCall):
        self._chunks = Chunks(call)
        self._answer_tool = answer_tool_of(call)
        family = family_of(call)
        self._extra = MessageExtra(family.vendor)
        self._names = function_names_of(call, family)
        self._metadata: dict[str, Raw] = {}
        #: The number of each tool call, counted from 0, by the index of its block.
        self._numbers: dict[int, int] = {}
        #: The blocks of the tool calls that have no arguments yet.
        self._without_arguments: set[int] = set()
        #: The blocks that are calls of the answer tool.
        self._answer_blocks: set[int] = set()
        #: Text that is held back until it is known whether the model calls the answer tool.
        self._held_back: list[str] = []
        # The current block, as far as it is needed at its end.
        self._reasoning = StringIO()
        self._signature = StringIO()
        self._redacted = bytearray()
        self._image_format = ""
        self._image_data = bytearray()
        #: Whether there has been text, reasoning or an image.
        self._has_content = False

    def feed(self, event: str, data: bytes) -> Iterable[Chunk]:
        """Translate one event. Raises ProviderError if it is an error or unreadable."""
        if event.startswith(("exception:", "error:")):
            raise to_stream_error(event.partition(":")[2], data)
        try:
            decoded = _decode_event(data)
        except UNREADABLE as error:
            message = f"Cannot parse an event of Bedrock's stream: {error}"
            raise ProviderError(ErrorKind.BAD_RESPONSE, message) from None
        self._metadata |= decoded.as_members()
        index = decoded.content_block_index
        match event:
            case "contentBlockStart":
                return self._block_start(index, decoded.start)
            case "contentBlockDelta":
                return self._block_delta(index, decoded.delta)
            case "contentBlockStop":
                return self._block_stop(index)
            case "messageStop":
                return self._message_stop(decoded.stop_reason)
            case "metadata" if decoded.usage is not None:
                usage = decoded.usage.as_openai()
                return [self._chunks.usage(usage, extra=provider_extra(self._metadata))]
        return ()

    def _block_start(self, index: int, start: _Start) -> Iterator[Chunk]:
        if start.image is not None:
            self._image_format = start.image.format
        tool_use = start.tool_use
        if tool_use is None or tool_use.type == SERVER_TOOL_USE:
            return
        if tool_use.name == self._answer_tool:
            self._answer_blocks.add(index)
            return
        number = len(self._numbers)
        self._numbers[index] = number
        self._without_arguments.add(index)
        yield self._chunks.call_begins(
            number, tool_use.tool_use_id or "", self._names.to_client(tool_use.name)
        )

    def _block_delta(self, index: int, delta: _Delta) -> Iterator[Chunk]:
        if delta.text:
            yield from self._text(delta.text)
        if delta.reasoning_content is not None:
            yield from self._reasoning_delta(delta.reasoning_content)
        if delta.tool_use is not None and delta.tool_use.input:
            yield from self._arguments(index, delta.tool_use.input)
        if delta.citation is not None:
            self._extra.citations.append(delta.citation)
        if delta.image is not None and delta.image.source is not None:
            self._image_data += delta.image.source.data

    def _text(self, text: str) -> Iterator[Chunk]:
        self._has_content = True
        if self._answer_tool is None:
            yield self._chunks.text(text)
        else:
            self._held_back.append(text)

    def _reasoning_delta(self, delta: _ReasoningDelta) -> Iterator[Chunk]:
        # These grow in place: adding to ever longer texts would take quadratic time.
        self._reasoning.write(delta.text or "")
        self._signature.write(delta.signature or "")
        self._redacted += delta.redacted_content or b""
        if delta.text:
            self._has_content = True
            yield self._chunks.reasoning(delta.text)

    def _arguments(self, index: int, piece: Any) -> Iterator[Chunk]:
        arguments = arguments_text(piece)
        if index in self._answer_blocks:
            self._has_content = True
            yield self._chunks.text(arguments)
        elif index in self._numbers:
            self._without_arguments.discard(index)
            yield self._chunks.call_arguments(self._numbers[index], arguments)

    def _block_stop(self, index: int) -> Iterator[Chunk]:
        self._extra.add_reasoning(
            self._reasoning.getvalue(), self._signature.getvalue(), bytes(self._redacted)
        )
        self._reasoning = StringIO()
        self._signature = StringIO()
        self._redacted = bytearray()
        if index in self._without_arguments:
            # The arguments of a call have to be JSON (SR-056).
            self._without_arguments.discard(index)
            yield self._chunks.call_arguments(self._numbers[index], "{}")
        if self._image_data:
            # OpenAI's deltas have no pieces of images: send the whole image.
            part = image_part(self._image_format or "png", bytes(self._image_data))
            yield self._chunks.delta({"images": [part]})
            self._has_content = True
            self._image_format = ""
            self._image_data = bytearray()

    def _message_stop(self, reason: str) -> Iterator[Chunk]:
        # The stop of a block may be missing.
        for index in sorted(self._without_arguments) or (-1,):
            yield from self._block_stop(index)
        # The model answered with text instead of the answer tool.
        if self._held_back and not self._answer_blocks:
            yield self._chunks.text("".join(self._held_back))
        has_tool_calls = bool(self._numbers)
        is_empty = not (self._has_content or has_tool_calls)
        finish_reason = translate_stop_reason(
            reason, has_tool_calls=has_tool_calls, is_empty=is_empty
        )
        yield self._chunks.finish(finish_reason, delta=self._extra.as_member())
