"""Writes messages of AWS's event streams, which the gateway only reads."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping


def message(payload: bytes, headers: Mapping[str, str] | bytes) -> bytes:
    """One message; headers given as bytes are used as they are."""
    encoded = _encoded(headers)
    prelude = struct.pack("!II", 16 + len(encoded) + len(payload), len(encoded))
    checked = prelude + struct.pack("!I", zlib.crc32(prelude)) + encoded + payload
    return checked + struct.pack("!I", zlib.crc32(checked))


def event(name: str, data: object) -> bytes:
    """An event with JSON data."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return message(json.dumps(data).encode(), headers)


def exception(name: str, data: object) -> bytes:
    """One of the API's documented failures."""
    headers = {
        ":exception-type": name,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return message(json.dumps(data).encode(), headers)


def _encoded(headers: Mapping[str, str] | bytes) -> bytes:
    if isinstance(headers, bytes):
        return headers
    return b"".join(_text_header(name, value) for name, value in headers.items())


def _text_header(name: str, value: str) -> bytes:
    encoded = value.encode()
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack("!H", len(encoded)) + encoded
