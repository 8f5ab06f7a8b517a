"""A stream whose provider speaks this API: its events are passed on as they are."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.json import ABSENT, encode_raw
from llms_core.dialects import ErrorResponse, sse
from llms_core.dialects.responses.context import error_code

Keep = Callable[[bytes], bytes | Awaitable[bytes]]
"""Stores a response as the provider wrote it, if it is to be stored."""

#: Events are small JSON objects, and the number is one of their first members.
_SEQUENCE_NUMBER = re.compile(rb'"sequence_number"\s*:\s*(\d{1,12})')


class _Event(msgspec.Struct):
    response: Raw = ABSENT


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_members = msgspec.json.Decoder(dict[str, Any]).decode


class OriginalEvents:
    """The events that have been passed on, as far as they are needed for the end of the stream."""

    content_type = sse.CONTENT_TYPE
    keep_alive = sse.KEEP_ALIVE

    def __init__(self, keep: Keep):
        self._keep = keep
        #: Each may hold several events.
        self._first = b""
        self._last = b""

    def write(self, chunks: Sequence[Chunk]) -> bytes:
        """Return the events of chunks that arrived together."""
        events = [chunk.data for chunk in chunks if chunk.native]
        if events:
            self._first = self._first or events[0]
            self._last = events[-1]
        return b"".join(events)

    def end(self) -> bytes | Awaitable[bytes]:
        """Store the response of the last event, which has been written already."""
        kept = self._keep(_response_in(self._last.rstrip().rpartition(b"\n\n")[2]))
        if isinstance(kept, bytes):
            return b""
        return _nothing_after(kept)

    def error(self, error: ErrorResponse) -> bytes:
        """Return the events that end a stream which broke: the response as it began, which has failed."""
        found = _SEQUENCE_NUMBER.search(self._last)
        number = int(found[1]) + 1 if found else 0
        event = {
            "type": "error",
            "sequence_number": number,
            "code": error.code,
            "message": error.message,
            "param": error.param,
        }
        events = sse.event(msgspec.json.encode(event), b"error")
        begun = _response_in(self._first.partition(b"\n\n")[0])
        if begun:
            problem = {"code": error_code(error), "message": error.message}
            failed = {**_decode_members(begun), "status": "failed", "error": problem}
            last = {"type": "response.failed", "sequence_number": number + 1, "response": failed}
            events += sse.event(encode_raw(last), b"response.failed")
        return events


def _response_in(event: bytes) -> bytes:
    """Return the response that an event holds, in JSON; empty if it holds none."""
    data = b"".join(
        line.removeprefix(b"data: ") for line in event.splitlines() if line.startswith(b"data: ")
    )
    return bytes(_decode_event(data).response)


async def _nothing_after(kept: Awaitable[bytes]) -> bytes:
    await kept
    return b""
