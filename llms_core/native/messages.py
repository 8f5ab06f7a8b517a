"""Answers of Anthropic's Messages API, passed on as they are: https://platform.claude.com/docs/en/build-with-claude/streaming."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage
from llms_core.contracts.json import UNREADABLE
from llms_core.contracts.native import with_model
from llms_core.contracts.request import ChatCall
from llms_core.errors import ErrorKind, ProviderError
from llms_core.native.events import framed


class _ThinkingTokens(msgspec.Struct):
    thinking_tokens: int | None = None


class MessageUsage(msgspec.Struct):
    """`usage` of a message. A stream sends it in parts, so every member may be absent."""

    #: without those that were read from or written to the cache
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens_details: _ThinkingTokens | None = None
    #: how often each of Anthropic's own tools was called
    server_tool_use: dict[str, Any] | None = None

    def updated(self, later: MessageUsage | None) -> MessageUsage:
        """Return these counts with those that a later event has: counts are cumulative."""
        if later is None:
            return self
        changes = {name: getattr(later, name) for name in self.__struct_fields__}
        return replace(self, **{name: value for name, value in changes.items() if value is not None})

    def as_chat(self) -> Usage:
        """Return the counts as OpenAI defines them: cached tokens are among those of the prompt."""
        cache_read = self.cache_read_input_tokens or 0
        cache_written = self.cache_creation_input_tokens or 0
        details: dict[str, Any] = {}
        if self.output_tokens_details is not None:
            details["reasoning_tokens"] = self.output_tokens_details.thinking_tokens or 0
        if self.server_tool_use:
            details["server_tool_use"] = self.server_tool_use
        return Usage(
            prompt_tokens=(self.input_tokens or 0) + cache_read + cache_written,
            completion_tokens=self.output_tokens or 0,
            prompt_tokens_details={"cached_tokens": cache_read, "cache_write_tokens": cache_written},
            completion_tokens_details=details or None,
        )


class _Message(msgspec.Struct):
    content: list[msgspec.Raw]
    model: str
    stop_reason: str | None
    type: Literal["message"]
    usage: MessageUsage | None = None


class _Delta(msgspec.Struct):
    stop_reason: str | None = None


class _Start(msgspec.Struct):
    message: msgspec.Raw


class _StartedMessage(msgspec.Struct):
    usage: MessageUsage | None = None


class _Block(msgspec.Struct):
    type: str


class _Event(msgspec.Struct):
    """An event of any type, with what the core has to know of it."""

    type: str
    index: int | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: MessageUsage | None = None


#: Blocks that begin empty: an attempt can still be replaced by the next.
_EMPTY_AT_FIRST = frozenset({"text", "thinking"})

_decode_message = msgspec.json.Decoder(_Message).decode
_decode_event = msgspec.json.Decoder(_Event).decode
_decode_start = msgspec.json.Decoder(_Start).decode
_decode_started = msgspec.json.Decoder(_StartedMessage).decode


def completion(call: ChatCall, body: bytes, read_error: Callable[[bytes], ProviderError]) -> Completion:
    """Return a whole message with the model's name for clients. Raises ProviderError if it is an error or not one."""
    try:
        message = _decode_message(body)
        body.decode()  # msgspec does not check the UTF-8 of values that stay raw
    except UNREADABLE as error:
        refused = read_error(body)
        if refused.kind is not ErrorKind.BAD_RESPONSE:
            raise refused from None
        raise ProviderError(ErrorKind.BAD_RESPONSE, f"The answer is not a message: {error}", status=200) from None
    if message.stop_reason is None:
        raise ProviderError(ErrorKind.BAD_RESPONSE, "The message has no stop_reason", status=200)
    usage = message.usage.as_chat() if message.usage is not None else None
    return Completion(with_model(body, call.client_model), usage, native=True)


class MessageEvents:
    """Passes on the events of one stream. The end of the message is held back until it is complete."""

    framing: Literal["sse"] = "sse"

    def __init__(self, call: ChatCall, read_error: Callable[[bytes], ProviderError]):
        self._model = call.client_model
        self._read_error = read_error
        self._has_started = False
        self._open: set[int] = set()
        self._usage = MessageUsage()
        self._stop_reason: str | None = None
        #: the event with the reason why the message ended, until the next one
        self._end: list[bytes] = []

    def feed(self, event: str, data: bytes) -> Iterable[Chunk]:
        """Return one event as it is. Raises ProviderError if it is an error, invalid or out of order."""
        try:
            received = _decode_event(data)
            data.decode()  # msgspec does not check the UTF-8 of values that stay raw
        except UNREADABLE as error:
            message = f"Cannot parse an event of the stream: {error}"
            raise ProviderError(ErrorKind.BAD_RESPONSE, message) from None
        match received.type:
            case "content_block_delta" if self._has_started:
                return (Chunk(framed(event, data), content=True, native=True),)
            case "content_block_start" if self._has_started:
                self._open.add(received.index or 0)
                has_content = received.content_block is None or received.content_block.type not in _EMPTY_AT_FIRST
                return (Chunk(framed(event, data), content=has_content, native=True),)
            case "content_block_delta" | "content_block_start":
                raise ProviderError(ErrorKind.BAD_RESPONSE, "The stream began without `message_start`")
            case "content_block_stop":
                self._open.discard(received.index or 0)
            case "message_start":
                return (self._start(event, data),)
            case "message_delta":
                self._usage = self._usage.updated(received.usage)
                if received.delta is not None and received.delta.stop_reason is not None:
                    self._stop_reason = received.delta.stop_reason
                self._end.append(framed(event, data))
                return ()
            case "message_stop":
                return self._stop(event, data)
            case "error":
                raise self._read_error(data)
        return (Chunk(framed(event, data), native=True),)

    def _start(self, event: str, data: bytes) -> Chunk:
        if self._has_started:
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The stream began a second message")
        self._has_started = True
        try:
            message = bytes(_decode_start(data).message)
            self._usage = self._usage.updated(_decode_started(message).usage)
            named = with_model(message, self._model)
        except UNREADABLE as error:
            raise ProviderError(ErrorKind.BAD_RESPONSE, f"Cannot parse the start of a message: {error}") from None
        return Chunk(framed(event, data.replace(message, named, 1)), begun=(0,), native=True)

    def _stop(self, event: str, data: bytes) -> tuple[Chunk, ...]:
        if not self._has_started or self._stop_reason is None or self._open:
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The stream ended before the message was complete")
        end = b"".join([*self._end, framed(event, data)])
        usage = msgspec.json.encode({"choices": [], "usage": self._usage.as_chat()})
        return (Chunk(end, ended=(0,), native=True), Chunk(usage, usage=True))
