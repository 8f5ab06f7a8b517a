"""What the dialects share whose requests and answers are sent on: forms, streams of events and of bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from llms_core.contracts.body import RequestBody
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.forwarding import EventChunk, FormRequest, ForwardedAnswer
from llms_core.dialects import ErrorResponse, IncomingRequest, TypedBody, openai_error, sse
from llms_core.errors import PluginError, RequestError

_TRUE = frozenset({"true", "1", "on", "yes"})
_MAX_ANSWERS = 100

_decode_number = msgspec.json.Decoder(int).decode


def form_decoder(default_model: str) -> Callable[[IncomingRequest], RequestBody[FormRequest]]:
    """Return the function that decodes a form; without a model, it is for `default_model`."""

    def decode(request: IncomingRequest) -> RequestBody[FormRequest]:
        form = request.form
        if form is None:
            raise RequestError("The request must be a form")
        fields = form.fields
        view = FormRequest(
            # Some clients send an empty one, unless their users choose a model.
            model=fields.get("model") or default_model,
            form=form,
            stream=fields.get("stream", "").strip().lower() in _TRUE,
            answers=_number_of_answers(fields.get("n", "")),
        )
        return RequestBody({}, view, _decode_nothing)

    return decode


def _number_of_answers(text: str) -> int:
    if not text:
        return 1
    try:
        number = _decode_number(text)
    except (msgspec.DecodeError, UnicodeError):
        number = 0
    if not 1 <= number <= _MAX_ANSWERS:
        message = f"Invalid value for 'n': expected a number from 1 to {_MAX_ANSWERS}"
        raise RequestError(message, param="n", code="invalid_value")
    return number


def _decode_nothing(data: bytes) -> Any:
    raise PluginError("the members of a form cannot be replaced: it is sent on while it arrives")


def encode_answer(answer: Any, body: RequestBody[Any]) -> TypedBody:
    """Return an answer as the provider wrote it."""
    data: ForwardedAnswer = answer
    return TypedBody(data.data, data.content_type)


class EventWriter:
    """Writes events as the provider did, with their names."""

    content_type = sse.CONTENT_TYPE
    keep_alive = sse.KEEP_ALIVE

    def __init__(self, body: RequestBody[Any]):
        pass

    def write(self, chunks: Sequence[Chunk]) -> bytes:
        """Return the events."""
        events = [chunk for chunk in chunks if isinstance(chunk, EventChunk)]
        return b"".join(sse.event(chunk.data, chunk.event.encode()) for chunk in events)

    def end(self) -> bytes:
        """Return nothing: the last event says that it is the last."""
        return b""

    def error(self, error: ErrorResponse) -> bytes:
        """Return the error as the last event."""
        return sse.event(openai_error.encode(error), b"error")


class BytesWriter:
    """Writes the bytes of a response that has no events."""

    content_type = b"application/octet-stream"
    keep_alive = b""

    def begin_bytes(self, content_type: str) -> None:
        """Use the provider's content type."""
        if content_type.isascii() and content_type.isprintable() and content_type:
            self.content_type = content_type.encode()

    def write(self, chunks: Sequence[Chunk]) -> bytes:
        """Return the bytes."""
        return b"".join(chunk.data for chunk in chunks)

    def end(self) -> bytes:
        """Return nothing."""
        return b""

    def error(self, error: ErrorResponse) -> bytes:
        """Return nothing: see `WritesBytes`."""
        return b""
