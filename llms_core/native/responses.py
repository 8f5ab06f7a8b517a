"""Answers of OpenAI's Responses API, passed on as they are.

https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import msgspec
from msgspec import Raw

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage
from llms_core.contracts.json import ABSENT, UNREADABLE, is_set
from llms_core.contracts.native import RESPONSES, with_model
from llms_core.contracts.request import ChatCall
from llms_core.errors import ErrorKind, ProviderError
from llms_core.native.events import framed

ReadError = Callable[[bytes], ProviderError]
"""Classifies an error that arrived with the status 200."""

#: The states of a response that has come to its end.
_ENDED = frozenset({"completed", "incomplete"})


class ResponseUsage(msgspec.Struct):
    """`usage` of a response."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    input_tokens_details: dict[str, Any] | None = None
    output_tokens_details: dict[str, Any] | None = None

    def as_chat(self) -> Usage:
        """Return the counts under chat's names."""
        return Usage(
            prompt_tokens=self.input_tokens,
            completion_tokens=self.output_tokens,
            total_tokens=self.total_tokens,
            prompt_tokens_details=self.input_tokens_details,
            completion_tokens_details=self.output_tokens_details,
        )


class _Response(msgspec.Struct):
    output: list[Raw]
    status: str
    object: Literal["response"] = "response"
    usage: Raw = ABSENT
    error: Raw = ABSENT


class _Event(msgspec.Struct):
    """An event of any type, with what the core has to know of it."""

    type: str
    response: Raw = ABSENT


_decode_response = msgspec.json.Decoder(_Response).decode
_decode_event = msgspec.json.Decoder(_Event).decode
_decode_usage = msgspec.json.Decoder(ResponseUsage | None).decode


def read_response(
    call: ChatCall, body: bytes, read_error: Callable[[bytes], ProviderError]
) -> Completion:
    """Return a whole response with the model's name for clients.

    Raises ProviderError if it is an error, if it failed, or if it is no response that has ended.
    """
    try:
        response = _decode_response(body)
        body.decode()  # msgspec does not check the UTF-8 of values that stay raw
    except UNREADABLE as error:
        refused = read_error(body)
        if refused.kind is not ErrorKind.BAD_RESPONSE:
            raise refused from None
        raise ProviderError(
            ErrorKind.BAD_RESPONSE, f"The answer is not a response: {error}", status=200
        ) from None
    _require_end(response, read_error)
    return Completion(with_model(body, call.client_model), _usage(response), native=RESPONSES)


class ResponseEvents:
    """Passes on the events of one stream. The last one is held back until the stream has ended."""

    framing: Literal["sse"] = "sse"

    def __init__(self, call: ChatCall, read_error: Callable[[bytes], ProviderError]):
        self._model = call.client_model
        self._read_error = read_error
        self._has_started = False

    def feed(self, event: str, data: bytes) -> Iterable[Chunk]:
        """Return one event as it is. Raises ProviderError if it is an error, invalid or out of order."""
        try:
            received = _decode_event(data)
            data.decode()  # msgspec does not check the UTF-8 of values that stay raw
            if received.response:
                data = self._named(received.response, data)
        except UNREADABLE as error:
            message = f"Cannot parse an event of the stream: {error}"
            raise ProviderError(ErrorKind.BAD_RESPONSE, message) from None
        kind = received.type
        if kind == "error":
            raise self._read_error(data)
        if kind in ("response.completed", "response.incomplete", "response.failed"):
            return self._end(event, data, received.response)
        begun = () if self._has_started else (0,)
        self._has_started = True
        return (
            Chunk(
                framed(event or kind, data),
                content=_has_content(kind),
                begun=begun,
                native=RESPONSES,
            ),
        )

    def _named(self, response: Raw, data: bytes) -> bytes:
        """Return an event with the model's name for clients in its response."""
        original = bytes(response)
        named = with_model(original, self._model)
        return data if named is original else data.replace(original, named, 1)

    def _end(self, event: str, data: bytes, raw: Raw) -> Iterable[Chunk]:
        try:
            response = _decode_response(raw)
        except UNREADABLE as error:
            message = f"Cannot parse the end of the stream: {error}"
            raise ProviderError(ErrorKind.BAD_RESPONSE, message) from None
        _require_end(response, self._read_error)
        yield Chunk(
            framed(event, data),
            content=bool(response.output),
            begun=(0,),
            ended=(0,),
            native=RESPONSES,
        )
        usage = _usage(response)
        if usage is not None:
            yield Chunk(msgspec.json.encode({"choices": [], "usage": usage}), usage=True)


def _usage(response: _Response) -> Usage | None:
    """Return the counts; None if they are absent or invalid, which must not fail the answer."""
    if not response.usage:
        return None
    try:
        counts = _decode_usage(response.usage)
    except UNREADABLE:
        return None
    return counts.as_chat() if counts is not None else None


def _has_content(kind: str) -> bool:
    """Whether an event carries a part of the answer, from its type: most do, and their names end like this."""
    return kind.endswith((".delta", ".done"))


def _require_end(response: _Response, read_error: Callable[[bytes], ProviderError]) -> None:
    if response.status in _ENDED:
        return
    if is_set(response.error):
        raise read_error(b'{"error":%b}' % response.error)
    message = f"The provider ended the response with the status '{response.status}'"
    raise ProviderError(ErrorKind.BAD_RESPONSE, message, status=200)
