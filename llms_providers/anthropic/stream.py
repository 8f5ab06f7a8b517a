"""Anthropic's event streams as chunks of chat completions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec

from llms_core.contracts.building import Chunks, arguments_text
from llms_core.contracts.chunk import Chunk, NativeBlock
from llms_core.contracts.function_names import FunctionNames
from llms_core.contracts.json import UNREADABLE
from llms_core.contracts.request import ChatCall
from llms_core.contracts.signatures import Owner
from llms_core.contracts.tool_call_ids import AnswerCallIds
from llms_core.native.message_usage import MessageUsage
from llms_providers.anthropic.answer import (
    ErrorReader,
    additional_members,
    call_extra,
    is_empty,
    openai_finish_reason,
    with_unique_id,
    without_nulls,
)
from llms_providers.anthropic.blocks import NAME_RULE, Block
from llms_providers.anthropic.message import (
    BlockView,
    Message,
    MessageEnd,
    convert,
    decode,
    view_block,
)

#: How many pieces of a block are kept apart. Many small strings take ten times the memory of the text in them.
_MAX_PIECES = 512


class _Event(msgspec.Struct):
    """An event of any type: https://platform.claude.com/docs/en/build-with-claude/streaming."""

    type: str = ""
    #: The number of the block that the event belongs to.
    index: int = 0
    delta: dict[str, Any] = {}
    content_block: Block = {}
    message: Message | None = None
    usage: MessageUsage | None = None


_event_decoder = msgspec.json.Decoder(_Event)


class MessageChunks:
    """Translates the events of one stream.

    Text, reasoning and calls are passed on as they arrive. The blocks are also assembled, because what only they can
    express is sent with the end of the stream.
    """

    framing: Literal["sse"] = "sse"

    def __init__(self, call: ChatCall, owner: Owner, read_error: ErrorReader):
        self._chunks = Chunks(call)
        self._names = FunctionNames(call, NAME_RULE)
        self._ids = AnswerCallIds(call)
        self._owner = owner
        self._read_error = read_error
        self._blocks: dict[int, _PartialBlock] = {}
        self._call_count = 0
        #: Blocks that have ended, for the next chunk.
        self._native: list[NativeBlock] = []
        self._end = MessageEnd()

    def feed(self, event: str, data: bytes) -> Iterable[Chunk]:
        """Return the chunks of one event. Raises ProviderError if it is an error or invalid.

        Events of unknown types give no chunks: Anthropic adds types without a new version of the API.
        """
        received = decode(data, _event_decoder)
        chunks = self._translate(received, data)
        return self._with_native(chunks) if self._native else chunks

    def _with_native(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Attach the blocks that ended before the chunks to the first of them."""
        for chunk in chunks:
            if self._native:
                chunk.blocks = tuple(self._native)
                self._native.clear()
            yield chunk

    def _translate(self, received: _Event, data: bytes) -> Iterable[Chunk]:
        # The most frequent type comes first.
        match received.type:
            case "content_block_delta":
                return self._extend_block(received.index, received.delta)
            case "content_block_start":
                return self._start_block(received.index, received.content_block)
            case "content_block_stop":
                return self._stop_block(received.index)
            case "message_start":
                self._start_message(received.message)
            case "message_delta":
                return self._finish(received)
            case "error":
                raise self._read_error(data)
        return ()

    def _start_message(self, message: Message | None) -> None:
        if message is None:
            return
        self._end.usage = message.usage
        if message.id:
            self._chunks.identify(message.id)

    def _start_block(self, index: int, raw: Block) -> Iterator[Chunk]:
        raw = with_unique_id(raw, self._ids)
        view = view_block(raw)
        block = _PartialBlock(view, raw)
        self._blocks[index] = block
        if view.is_call:
            block.call_number = self._call_count
            self._call_count += 1
            name = self._names.to_client(view.name)
            yield self._chunks.call_begins(block.call_number, view.id, name, extra=call_extra(raw))
        elif view.type == "text" and view.text:
            yield self._chunks.text(view.text)
        elif view.thinking:
            yield self._chunks.reasoning(view.thinking)

    def _extend_block(self, index: int, delta: dict[str, Any]) -> Iterator[Chunk]:
        block = self._blocks.get(index)
        if block is None:
            # Tolerate servers that send no start for text.
            block = _PartialBlock(BlockView(type="text"), {"type": "text"})
            self._blocks[index] = block
        if isinstance(delta.get("partial_json"), dict):
            # The input itself, from other vendors' servers
            delta = {**delta, "partial_json": arguments_text(delta["partial_json"])}
        block.add(delta)
        match delta:
            case {"type": "text_delta", "text": str(text)} if text:
                yield self._chunks.text(text)
            case {"type": "thinking_delta", "thinking": str(text)} if text:
                yield self._chunks.reasoning(text)
            case {"type": "input_json_delta", "partial_json": str(text)} if text:
                yield from self._tool_input(block, text)

    def _stop_block(self, index: int) -> Iterator[Chunk]:
        """Send the input of a call that has had no delta: the tool takes none, or it came whole with the start.

        Keep what chunks cannot express.
        """
        block = self._blocks.get(index)
        if block is None or block.has_ended:
            return
        block.has_ended = True
        if block.view.type == "text" and not block.has_citations:
            # Chunks lack only where it ends.
            self._native.append(NativeBlock({"type": "text"}, self._owner))
        elif block.view.type != "tool_use":
            self._native.append(NativeBlock(without_nulls(block.assemble()), self._owner))
        if block.view.type == "tool_use" and not block.joined("partial_json"):
            yield from self._tool_input(block, block.view.input_json)

    def _tool_input(self, block: _PartialBlock, text: str) -> Iterator[Chunk]:
        if block.call_number is not None:
            yield self._chunks.call_arguments(block.call_number, text)
        elif block.view.is_answer_tool:
            yield self._chunks.text(text)

    def _finish(self, event: _Event) -> Iterator[Chunk]:
        _merge(self._end, convert(event.delta, MessageEnd))
        if self._end.usage is None:
            self._end.usage = MessageUsage()
        self._end.usage.update(event.usage)
        # Usage may be updated before the message ends.
        if not self._end.stop_reason:
            return
        for index in self._blocks:
            # Some servers send no stop for a block.
            yield from self._with_native(self._stop_block(index))
        raw_blocks = [self._blocks[index].assemble() for index in sorted(self._blocks)]
        blocks = [view_block(raw) for raw in raw_blocks]
        members = additional_members(raw_blocks, blocks, self._end, self._owner)
        has_calls = self._call_count > 0
        reason = openai_finish_reason(
            self._end.stop_reason, has_calls=has_calls, is_empty=is_empty(blocks)
        )
        yield from self._with_native([self._chunks.finish(reason, delta=members)])
        yield self._chunks.usage(self._end.usage.as_chat())


class _PartialBlock:
    """A block of a stream: its start and the deltas so far.

    The pieces are joined at the end, because appending to ever longer text takes quadratic time.
    """

    def __init__(self, view: BlockView, raw: Block):
        self.view = view
        #: The position among the calls that the client sees; None if it is not one of them.
        self.call_number: int | None = None
        #: Whether the block is complete.
        self.has_ended = False
        self._raw = raw
        self._pieces: dict[str, list[Any]] = {}

    def add(self, delta: dict[str, Any]) -> None:
        """Add a delta; every member of it but `type` extends the member of the block with that name."""
        for name, value in delta.items():
            if name == "type":
                continue
            pieces = self._pieces.setdefault(name, [])
            pieces.append(value)
            if len(pieces) >= _MAX_PIECES and isinstance(value, str):
                pieces[:] = [self.joined(name)]

    @property
    def has_citations(self) -> bool:
        """Whether the block is a text with citations."""
        return "citation" in self._pieces or bool(self.view.citations)

    def joined(self, name: str) -> str:
        """Return the text of a member's deltas."""
        pieces = self._pieces.get(name, ())
        return "".join(piece for piece in pieces if isinstance(piece, str))

    def assemble(self) -> Block:
        """Return the whole block."""
        block = dict(self._raw)
        for name, pieces in self._pieces.items():
            if name == "partial_json":
                block["input"] = _decode_input(self.joined(name)) or block.get("input") or {}
            elif name == "citation":
                block["citations"] = [*(block.get("citations") or ()), *pieces]
            elif isinstance(pieces[0], str):
                block[name] = (block.get(name) or "") + self.joined(name)
            else:
                block[name] = pieces[-1]
        return block


def _decode_input(text: str) -> Any:
    """Return a tool's input; {} if the stream ended within it, as it does at the token limit."""
    if not text:
        return {}
    try:
        return msgspec.json.decode(text)
    except UNREADABLE:
        return {}


def _merge(known: msgspec.Struct, update: msgspec.Struct) -> None:
    """Overwrite members with those of `update` that are not null."""
    for name in update.__struct_fields__:
        value = getattr(update, name)
        if value is not None:
            setattr(known, name, value)
