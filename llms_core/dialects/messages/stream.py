"""Chunks of a chat completion as Anthropic's events: https://platform.claude.com/docs/en/build-with-claude/streaming.

Content blocks follow each other and never interleave, but the chunks of parallel calls may. What arrives for another
block while a call is incomplete waits until the call's arguments are complete, or the answer is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from llms_core.contracts import reasoning_details
from llms_core.contracts.chunk import Chunk, NativeBlock
from llms_core.contracts.completion import Usage, usage
from llms_core.contracts.reasoning_details import consolidated
from llms_core.contracts.request import ChatBody
from llms_core.contracts.token_estimate import estimated_prompt, estimated_text
from llms_core.dialects import ErrorResponse, sse
from llms_core.dialects.envelope import Envelope, seal
from llms_core.dialects.messages import errors
from llms_core.dialects.messages.answer import (
    blocks_of,
    image_text,
    message_end,
    message_id,
    native_block,
    text_in,
)
from llms_core.dialects.messages.blocks import StreamedBlock, call_block, text_block, thinking_block
from llms_core.dialects.messages.text_chunks import TextChunks
from llms_core.dialects.messages.tokens import Tokens, tokens_of
from llms_core.dialects.messages.tools import ANTHROPIC, Json
from llms_core.dialects.messages.views import (
    CallFragment,
    Delta,
    decode_chunk,
    decode_frame,
    decode_whole,
)

_encode = msgspec.json.encode


class MessageStreamWriter:
    """Writes one message as events. The counts in `message_start` are an estimate, those in `message_delta` final."""

    content_type = sse.CONTENT_TYPE
    keep_alive = sse.event(b'{"type":"ping"}', b"ping")

    def __init__(self, body: ChatBody):
        self._body = body
        #: Whether the provider's own events are passed on.
        self._is_native = False
        self._events: list[bytes] = []
        self._has_started = False
        self._index = -1
        self._open: StreamedBlock | None = None
        self._waiting: deque[StreamedBlock] = deque()
        #: calls by number
        self._calls: dict[int, StreamedBlock] = {}
        #: what has to come back with the next request and was not sent yet
        self._envelope = Envelope()
        self._end: Json = {}
        self._finish_reason: str | None = None
        self._usage: Usage | None = None
        self._size = 0
        self._text_chunks = TextChunks()
        #: Whether a text is open and no block waits, and the beginning of its deltas, up to the quote before the text.
        self._is_open_text = False
        self._text_head = b""

    def write(self, chunks: Sequence[Chunk]) -> bytes:
        """Return the events for chunks that arrived together."""
        if self._is_native or (chunks and chunks[0].native):
            self._is_native = True
            return b"".join([chunk.data for chunk in chunks if chunk.native])
        for chunk in chunks:
            if not self._has_started:
                self._start(chunk)
            self._add(chunk)
        return self._taken()

    def end(self) -> bytes:
        """Return the end of a complete answer."""
        if self._is_native:
            # The provider's events have been passed on to the last.
            return b""
        self._close()
        while self._waiting:
            self._begin(self._waiting.popleft())
            self._close()
        if self._calls and self._envelope:
            self._write_envelope()
        tokens = Tokens(
            input_tokens=estimated_prompt(self._body), output_tokens=estimated_text(self._size)
        )
        if self._usage is not None:
            tokens = tokens_of(self._usage)
        end = message_end(self._finish_reason, {ANTHROPIC: self._end}, has_calls=bool(self._calls))
        self._event(
            b"message_delta", _encode({"type": "message_delta", "delta": end, "usage": tokens})
        )
        self._event(b"message_stop", b'{"type":"message_stop"}')
        return self._taken()

    def error(self, error: ErrorResponse) -> bytes:
        """Return the error that ends a stream which broke."""
        return sse.event(errors.encode(error), b"error")

    def _taken(self) -> bytes:
        data = b"".join(self._events)
        self._events.clear()
        return data

    def _event(self, name: bytes, data: bytes) -> None:
        self._events.append(b"event: %b\ndata: %b\n\n" % (name, data))

    def _start(self, chunk: Chunk) -> None:
        self._has_started = True
        frame = decode_frame(chunk.data)
        message: Json = {
            "id": message_id(frame.id),
            "type": "message",
            "role": "assistant",
            "model": frame.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": Tokens(input_tokens=estimated_prompt(self._body), output_tokens=1),
        }
        self._event(b"message_start", _encode({"type": "message_start", "message": message}))

    def _add(self, chunk: Chunk) -> None:
        if self._is_open_text and not chunk.blocks:
            text = self._text_chunks.text(chunk.data)
            if text is not None:
                self._size += len(text)
                self._events += (self._text_head, text, b'"}}\n\n')
                return
        view = decode_chunk(chunk.data)
        if view.usage:
            self._usage = usage(view.usage) or self._usage
        for native in chunk.blocks:
            self._add_native(native)
        if not view.choices:
            return
        choice = view.choices[0]
        delta = choice.delta
        if delta is not None:
            if delta.provider_extra is not None and (delta.content or delta.tool_calls):
                self._add_whole(chunk)
            else:
                self._add_delta(delta)
                if choice.finish_reason is None and _is_plain(delta):
                    self._text_chunks.learn(chunk.data, delta.content)
        if choice.finish_reason is not None:
            self._finish_reason = choice.finish_reason

    def _add_whole(self, chunk: Chunk) -> None:
        """Write the message of a provider that did not stream."""
        message = decode_whole(chunk.data).choices[0].delta
        self._keep(message.provider_extra or {})
        self._envelope = Envelope()
        for block in blocks_of(message):
            self._add_block(block)
            if block["type"] == "tool_use":
                self._calls[len(self._calls)] = text_block()

    def _add_delta(self, delta: Delta) -> None:
        if delta.provider_extra is not None:
            self._keep(delta.provider_extra)
        if delta.reasoning_details:
            self._envelope.message.setdefault(reasoning_details.NAME, []).extend(
                delta.reasoning_details
            )
        reasoning = (
            delta.reasoning_content if _has_text(delta.reasoning_content) else delta.reasoning
        )
        if _has_text(reasoning):
            self._add_text(reasoning, "thinking")
        if _has_text(delta.content):
            self._add_text(delta.content, "text")
        elif delta.content and bytes(delta.content).startswith(b"["):
            self._add_text(Raw(_encode(text_in(delta.content))), "text")
        if _has_text(delta.refusal):
            self._add_text(delta.refusal, "text")
        for image in delta.images or ():
            self._add_text(Raw(_encode(image_text(image))), "text")
        for call in delta.tool_calls or ():
            self._add_call(call)

    def _keep(self, provider_extra: dict[str, Any]) -> None:
        """Keep what has to come back. What the adapter of Claude has beside its blocks belongs to the message's end."""
        for adapter, extra in provider_extra.items():
            if adapter == ANTHROPIC and isinstance(extra, dict):
                self._end.update(extra)
            elif isinstance(extra, dict):
                known = self._envelope.provider_extra.setdefault(adapter, {})
                for name, value in extra.items():
                    both_are_lists = isinstance(value, list) and isinstance(known.get(name), list)
                    known[name] = known[name] + value if both_are_lists else value

    def _add_text(self, text: Raw, kind: str) -> None:
        self._size += len(text) - 2
        block = self._waiting[-1] if self._waiting else self._open
        if block is None or block.kind != kind:
            block = self._enqueue(text_block() if kind == "text" else thinking_block())
        self._extend(block, text)

    def _add_call(self, call: CallFragment) -> None:
        block = self._calls.get(call.index)
        if call.extra_content and (call.id or block is not None):
            call_id = call.id or str(block.start["id"] if block is not None else "")
            self._envelope.calls[call_id] = {"extra_content": call.extra_content}
        if block is None:
            block = call_block(call)
            self._calls[call.index] = block
            if not (self._open is not None and self._open.kind == "thinking") and self._envelope:
                self._add_envelope()
            self._enqueue(block)
        if call.function is not None and _has_text(call.function.arguments):
            self._size += len(call.function.arguments) - 2
            self._extend(block, call.function.arguments)

    def _extend(self, block: StreamedBlock, text: Raw) -> None:
        """Add a text to a block: written if the block is open, kept if it waits, and lost if it was closed."""
        if block is not self._open:
            block.pieces.append(text)
            return
        self._write_delta(block, text)
        if block.number is not None:
            block.pieces.append(text)
            self._advance()

    def _enqueue(self, block: StreamedBlock) -> StreamedBlock:
        """Open a block, or have it wait for the one that is open."""
        self._waiting.append(block)
        self._advance()
        return block

    def _advance(self) -> None:
        """Open the blocks that wait, as far as those before them are complete."""
        while self._waiting and (self._open is None or self._open.is_complete()):
            self._close()
            self._begin(self._waiting.popleft())

    def _begin(self, block: StreamedBlock) -> None:
        """Write the start of a block and what has come of it so far."""
        self._index += 1
        self._open = block
        self._is_open_text = block.kind == "text" and not self._waiting
        self._text_head = (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":%b"'
            % (
                self._index,
                block.delta,
            )
        )
        start = _encode(
            {"type": "content_block_start", "index": self._index, "content_block": block.start}
        )
        self._event(b"content_block_start", start)
        for piece in block.pieces:
            self._write_delta(block, piece)
        if block.number is None:
            block.pieces.clear()

    def _write_delta(self, block: StreamedBlock, text: Raw) -> None:
        # Written from the pieces of JSON that arrived, because this is done for every chunk.
        self._events.append(
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":%b%b}}\n\n'
            % (self._index, block.delta, text)
        )

    def _write_other_delta(self, delta: Json) -> None:
        data = _encode({"type": "content_block_delta", "index": self._index, "delta": delta})
        self._event(b"content_block_delta", data)

    def _close(self) -> None:
        if self._open is None:
            return
        if self._open.kind == "thinking":
            signature = self._open.signature
            if not signature:
                signature = self._sealed()
            self._write_other_delta({"type": "signature_delta", "signature": signature})
        self._event(
            b"content_block_stop", b'{"type":"content_block_stop","index":%d}' % self._index
        )
        self._open = None
        self._is_open_text = False

    def _add_native(self, native: NativeBlock) -> None:
        """Write a block that chunks do not express, or what they lacked of one: a text's citations and end."""
        block = native_block(native)
        continued = self._open
        if self._waiting or continued is None or continued.kind != block["type"]:
            continued = None
        if block["type"] == "thinking" and continued is not None:
            continued.signature = str(block.get("signature") or "")
            self._close()
        elif block["type"] == "text" and continued is not None:
            for citation in block.get("citations") or ():
                self._write_other_delta({"type": "citations_delta", "citation": citation})
            self._close()
        elif block["type"] != "text":
            self._add_block(block)

    def _add_block(self, block: Json) -> None:
        """Write a whole block in its turn."""
        match block:
            case {"type": "text", "text": str(text)} if not block.get("citations"):
                self._add_text(Raw(_encode(text)), "text")
            case {"type": "thinking"}:
                whole = thinking_block()
                whole.start = {**block, "thinking": "", "signature": ""}
                whole.pieces = [Raw(_encode(str(block.get("thinking") or "")))]
                whole.signature = str(block.get("signature") or "")
                self._enqueue(whole)
            case {"type": "tool_use", "input": input}:
                whole = StreamedBlock(
                    "tool_use",
                    {**block, "input": {}},
                    b'{"type":"input_json_delta","partial_json":',
                )
                whole.pieces = [Raw(_encode(_encode(input).decode()))]
                self._enqueue(whole)
            case _:
                self._enqueue(StreamedBlock("whole", block))

    def _add_envelope(self) -> None:
        self._add_block({"type": "redacted_thinking", "data": self._sealed()})

    def _sealed(self) -> str:
        """Return what has to come back, and begin anew."""
        envelope = self._envelope
        self._envelope = Envelope()
        if reasoning_details.NAME in envelope.message:
            envelope.message[reasoning_details.NAME] = consolidated(
                envelope.message[reasoning_details.NAME]
            )
        return seal(envelope)

    def _write_envelope(self) -> None:
        self._add_envelope()
        self._close()


def _is_plain(delta: Delta) -> bool:
    """Whether the content is all that is written of a delta."""
    others = (delta.tool_calls, delta.images, delta.provider_extra, delta.reasoning_details)
    if any(others) or any(
        map(_has_text, (delta.reasoning_content, delta.reasoning, delta.refusal))
    ):
        return False
    return _has_text(delta.content)


def _has_text(raw: Raw) -> bool:
    """Whether a raw member is a text that is not empty."""
    return len(raw) > 2 and bytes(raw).startswith(b'"')
