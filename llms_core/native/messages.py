"""Answers of Anthropic's Messages API, passed on as they are: https://platform.claude.com/docs/en/build-with-claude/streaming."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec
from msgspec import Raw

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion
from llms_core.contracts.json import ABSENT, UNREADABLE
from llms_core.contracts.native import MESSAGES, with_model
from llms_core.contracts.request import ChatCall
from llms_core.errors import ErrorKind, ProviderError
from llms_core.native.events import framed
from llms_core.native.message_usage import MessageUsage

ReadError = Callable[[bytes], ProviderError]
"""Classifies an error that arrived with the status 200."""


class _Typed(msgspec.Struct):
    type: str = ""


class _Message(msgspec.Struct):
    content: list[_Typed]
    type: Literal["message", ""] = ""
    stop_reason: str | None = None
    usage: Raw = ABSENT


class _Start(msgspec.Struct):
    message: Raw


class _StartedMessage(msgspec.Struct):
    usage: Raw = ABSENT


class _Delta(msgspec.Struct):
    type: str = ""
    stop_reason: str | None = None


class _Event(msgspec.Struct):
    """An event of any type, with what the core has to know of it."""

    type: str
    index: int | None = None
    content_block: _Typed | None = None
    delta: _Delta | None = None
    usage: Raw = ABSENT


#: Blocks that begin empty: an attempt can still be replaced by the next.
_EMPTY_AT_FIRST = frozenset({"text", "thinking"})

#: The start of a block whose server sends none, by the type of its first delta.
_MISSING_STARTS = {
    "text_delta": b'{"type":"text","text":""}',
    "thinking_delta": b'{"type":"thinking","thinking":"","signature":""}',
}


_decode_message = msgspec.json.Decoder(_Message).decode
_decode_event = msgspec.json.Decoder(_Event).decode
_decode_start = msgspec.json.Decoder(_Start).decode
_decode_started = msgspec.json.Decoder(_StartedMessage).decode
_decode_usage = msgspec.json.Decoder(MessageUsage | None).decode


def read_message(call: ChatCall, body: bytes, read_error: ReadError) -> Completion:
    """Return a whole message with the model's name for clients. Raises ProviderError if it is an error or not one."""
    try:
        message = _decode_message(body)
        body.decode()  # msgspec does not check the UTF-8 of values that stay raw
    except UNREADABLE as error:
        refused = read_error(body)
        if refused.kind is not ErrorKind.BAD_RESPONSE:
            raise refused from None
        raise ProviderError(
            ErrorKind.BAD_RESPONSE, f"The answer is not a message: {error}", status=200
        ) from None
    counts = _counts(message.usage)
    usage = counts.as_chat() if counts is not None else None
    return Completion(with_model(body, call.client_model), usage, native=MESSAGES)


class MessageEvents:
    """Passes on the events of one stream. The end of the message is held back until it is complete."""

    framing: Literal["sse"] = "sse"

    def __init__(self, call: ChatCall, read_error: ReadError):
        self._model = call.client_model
        self._read_error = read_error
        self._has_started = False
        #: numbers of the blocks that have begun, and of those that have not ended
        self._blocks: set[int] = set()
        self._open: set[int] = set()
        self._usage = MessageUsage()
        self._stop_reason: str | None = None
        #: the events with the reason why the message ended, until the next one
        self._end: list[bytes] = []

    def feed(self, event: str, data: bytes) -> Iterable[Chunk]:
        """Return one event as it is. Raises ProviderError if it is an error, invalid or out of order."""
        try:
            received = _decode_event(data)
            data.decode()  # msgspec does not check the UTF-8 of values that stay raw
        except UNREADABLE as error:
            message = f"Cannot parse an event of the stream: {error}"
            raise ProviderError(ErrorKind.BAD_RESPONSE, message) from None
        whole = framed(event or received.type, data)
        # Nearly every event is one more piece of an open block.
        if received.type == "content_block_delta" and received.index in self._open:
            return (Chunk(whole, content=True, native=MESSAGES),)
        match received.type:
            case (
                "content_block_delta"
                | "content_block_start"
                | "content_block_stop"
                | "message_delta"
            ) if not self._has_started:
                raise ProviderError(
                    ErrorKind.BAD_RESPONSE, "The stream began without `message_start`"
                )
            case "content_block_delta":
                return (
                    Chunk(self._missing_start(received) + whole, content=True, native=MESSAGES),
                )
            case "content_block_start":
                self._begin(received.index or 0)
                has_content = (
                    received.content_block is None
                    or received.content_block.type not in _EMPTY_AT_FIRST
                )
                return (Chunk(whole, content=has_content, native=MESSAGES),)
            case "content_block_stop":
                self._open.discard(received.index or 0)
            case "message_start":
                return (self._start(event or received.type, data),)
            case "message_delta":
                self._usage.update(_counts(received.usage))
                if received.delta is not None and received.delta.stop_reason is not None:
                    self._stop_reason = received.delta.stop_reason
                # Before the end, it only updates the usage.
                if self._stop_reason is not None:
                    self._end.append(whole)
                    return ()
            case "message_stop":
                return self._stop(whole)
            case "error":
                raise self._read_error(data)
        return (Chunk(whole, native=MESSAGES),)

    def _start(self, event: str, data: bytes) -> Chunk:
        if self._has_started:
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The stream began a second message")
        self._has_started = True
        try:
            message = bytes(_decode_start(data).message)
            self._usage.update(_counts(_decode_started(message).usage))
            named = with_model(message, self._model)
        except UNREADABLE as error:
            raise ProviderError(
                ErrorKind.BAD_RESPONSE, f"Cannot parse the start of a message: {error}"
            ) from None
        return Chunk(framed(event, data.replace(message, named, 1)), begun=(0,), native=MESSAGES)

    def _begin(self, index: int) -> None:
        self._blocks.add(index)
        self._open.add(index)

    def _missing_start(self, received: _Event) -> bytes:
        """Return the start of a block that some servers leave out, because clients do without the block then."""
        index = received.index or 0
        block = _MISSING_STARTS.get(received.delta.type if received.delta is not None else "")
        if index in self._blocks or block is None:
            return b""
        self._begin(index)
        start = b'{"type":"content_block_start","index":%d,"content_block":%b}' % (index, block)
        return framed("content_block_start", start)

    def _stop(self, event: bytes) -> tuple[Chunk, ...]:
        if not self._has_started or self._stop_reason is None:
            raise ProviderError(
                ErrorKind.BAD_RESPONSE, "The stream ended before the message was complete"
            )
        # Some servers send no stop for a block, without which clients lose a tool call.
        stops = [
            framed("content_block_stop", b'{"type":"content_block_stop","index":%d}' % index)
            for index in sorted(self._open)
        ]
        usage = msgspec.json.encode({"choices": [], "usage": self._usage.as_chat()})
        end = b"".join([*stops, *self._end, event])
        return (Chunk(end, ended=(0,), native=MESSAGES), Chunk(usage, usage=True))


def _counts(usage: Raw) -> MessageUsage | None:
    """Return the token counts; an unreadable usage must not fail the answer."""
    try:
        return _decode_usage(usage) if usage else None
    except UNREADABLE:
        return None
