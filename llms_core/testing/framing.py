"""Events of a stream as a provider would write them: server-sent events, lines of JSON, AWS's event stream."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from llms_core.testing.wire import Event, Framing

MEDIA: Mapping[Framing, str] = {
    "sse": "text/event-stream",
    "ndjson": "application/x-ndjson",
    "aws": "application/vnd.amazon.eventstream",
}
"""What a stream's Content-Type is."""


def encoded(events: Sequence[Event], framing: Framing, *, indent: bool = False) -> list[bytes]:
    """Each event's bytes. With `indent` its JSON is in several lines, which only SSE can carry."""
    return [_one(event, framing, 1 if indent else None) for event in events]


def as_json(value: object, indent: int | None = None) -> bytes:
    """JSON as providers write it: UTF-8, without spaces."""
    separators = (",", ":") if indent is None else None
    return json.dumps(value, ensure_ascii=False, separators=separators, indent=indent).encode()


def _one(event: Event, framing: Framing, indent: int | None) -> bytes:
    if isinstance(event, bytes):
        return event
    name, said = event if isinstance(event, tuple) else ("", event)
    data = said.encode() if isinstance(said, str) else as_json(said, indent)
    if framing == "ndjson":
        return data + b"\n"
    if framing == "aws":
        return _message(name, data)
    lines = b"".join(b"data: %b\n" % line for line in data.split(b"\n"))
    return (b"event: %b\n" % name.encode() if name else b"") + lines + b"\n"


def _message(name: str, payload: bytes) -> bytes:
    """A message of AWS's: prelude, headers, payload, checksum. `exception:Name` makes one that tells of a failure."""
    kind, _, own = name.rpartition(":")
    named = {"": ":event-type", "exception": ":exception-type", "error": ":error-code"}[kind]
    said: dict[str, Any] = {named: own, ":content-type": "application/json", ":message-type": kind or "event"}
    headers = b"".join(_header(header, value) for header, value in said.items())
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack("!I", zlib.crc32(message))


def _header(name: str, value: str) -> bytes:
    text = value.encode()
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack("!H", len(text)) + text
