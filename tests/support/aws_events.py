"""Messages of AWS's event streams, written: what the gateway only reads."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping


def message(payload: bytes, headers: Mapping[str, str] | bytes) -> bytes:
    """One message; headers given as bytes are taken as they are."""
    told = headers if isinstance(headers, bytes) else b"".join(map(_text_header, headers, headers.values()))
    prelude = struct.pack("!II", 16 + len(told) + len(payload), len(told))
    checked = prelude + struct.pack("!I", zlib.crc32(prelude)) + told + payload
    return checked + struct.pack("!I", zlib.crc32(checked))


def event(name: str, data: object) -> bytes:
    """An event with JSON data."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return message(json.dumps(data).encode(), headers)


def exception(name: str, data: object) -> bytes:
    """A failure that the API knows."""
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return message(json.dumps(data).encode(), headers)


def _text_header(name: str, value: str) -> bytes:
    told = value.encode()
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack("!H", len(told)) + told
