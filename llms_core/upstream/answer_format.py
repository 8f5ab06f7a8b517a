"""Detects the format of an answer from its first bytes.

Some providers stream without being asked to, some answer whole although a stream was requested, and some state the
wrong content type for either. The answer is paid for in any case.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import Any

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.json import UNREADABLE, decode_members
from llms_core.errors import ErrorKind, ProviderError
from llms_core.operations import Answer, Operation
from llms_core.operations.stream import StreamReader
from llms_core.provider import Framing
from llms_core.secret import redact
from llms_core.upstream.stream_decoder import StreamDecoder

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
#: How lines of server-sent events begin.
_SSE_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")


_MEDIA = ("audio/", "image/", "video/")


class Format(Enum):
    """The format of an answer to a request for a stream."""

    #: the adapter's own framing
    STREAM = auto()
    #: server-sent events, though the adapter's framing is another
    EVENTS = auto()
    #: a whole answer, or something else that has to be read to its end
    WHOLE = auto()
    #: an HTML page
    PAGE = auto()


def beginning(data: bytes) -> bytes:
    """Return the first bytes of an answer without a byte order mark and white space."""
    return data.removeprefix(_BYTE_ORDER_MARK).lstrip()


def format_of_type(content_type: str, framing: Framing) -> Format | None:
    """Return the format of an answer if its type tells, which it does for bytes without events. None if it does not.

    Raises ProviderError if the answer is media, and events were expected.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if framing == "bytes":
        is_text = media_type.startswith("text/") or media_type.endswith("json")
        return Format.WHOLE if is_text else Format.STREAM
    if media_type.startswith(_MEDIA):
        message = f"The provider answered with {redact.truncated(media_type, 50)} instead of a stream of events"
        raise ProviderError(ErrorKind.BAD_RESPONSE, message)
    return None


def detect_format(first: bytes, framing: Framing) -> Format | None:
    """Return the format of an answer that begins with `first`, as `beginning` returns it; None if it takes more bytes.

    `framing` is how the adapter's streams are separated into events.
    """
    if not first or _BYTE_ORDER_MARK.startswith(first):
        return None
    if first.startswith(b"<"):
        return Format.PAGE
    if framing == "ndjson":
        return _detect_lines(first)
    # Events begin with the name of a field, AWS's messages with their length, which is never that of a brace.
    if first.startswith((b"{", b"[", b'"')):
        return Format.WHOLE
    return Format.STREAM


def _detect_lines(first: bytes) -> Format | None:
    if first == b"{":
        return None
    if not first.startswith(b"{"):
        if first[:1] in (b"d", b"e", b"i", b"r", b":"):
            return Format.EVENTS
        return Format.WHOLE
    # A line that is only a brace is no event, but the first line of an indented answer.
    line = first[1:].lstrip(b" \t\r")
    if not line:
        return None
    if line.startswith(b"\n"):
        return Format.WHOLE
    return Format.STREAM


def read_answer(operation: Operation[Any, Any], adapter: Any, call: Any, body: bytes) -> Answer:
    """Return the answer in a complete body, which may be a stream. Raises ProviderError."""
    # The most frequent case first.
    if body.startswith(b"{"):
        return _read_object(operation, adapter, call, body)
    first = beginning(body)
    if first.startswith(_SSE_FIELDS):
        return _read_stream(operation, adapter, call, body, "sse")
    if body.startswith(b"\0"):
        return _read_stream(operation, adapter, call, body, "aws")
    return _read_object(operation, adapter, call, first)


def _read_object(operation: Operation[Any, Any], adapter: Any, call: Any, body: bytes) -> Answer:
    try:
        return operation.answer(adapter, call, body)
    except ProviderError as error:
        if error.kind is not ErrorKind.BAD_RESPONSE or not _is_lines(body):
            raise
    return _read_stream(operation, adapter, call, body, "ndjson")


def _is_lines(body: bytes) -> bool:
    """Whether a body is one JSON object per line."""
    end = body.find(b"\n")
    if end < 0 or not body[end:].strip():
        return False
    try:
        decode_members(body[:end])
    except UNREADABLE:
        return False
    return True


def _read_stream(
    operation: Operation[Any, Any], adapter: Any, call: Any, body: bytes, framing: Framing
) -> Answer:
    reader = operation.stream(adapter, call)
    chunks = _all_chunks(reader, StreamDecoder(reader, framing), body)
    return operation.from_chunks(chunks)


def _all_chunks(reader: StreamReader, decoder: StreamDecoder, body: bytes) -> Sequence[Chunk]:
    """Return all chunks of a complete stream. Raises ProviderError if it is not complete."""
    chunks = decoder.feed(body)
    if not reader.finished:
        chunks += decoder.feed(b"")
    if not reader.complete:
        reader.fail(
            ProviderError(ErrorKind.BAD_RESPONSE, "The stream ended before the answer was complete")
        )
    if reader.failure is not None:
        raise reader.failure
    return [*chunks, *reader.held_back()]
