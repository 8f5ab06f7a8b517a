"""Stream events encoded as a provider sends them: server-sent events, lines of JSON, or AWS's event stream."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence

from llms_core.testing.wire import Event, Framing

MEDIA: Mapping[Framing, str] = {
    "sse": "text/event-stream",
    "ndjson": "application/x-ndjson",
    "aws": "application/vnd.amazon.eventstream",
}
"""The Content-Type of a stream."""

#: The bytes of an AWS message besides its headers and payload: two lengths and two checksums of four bytes each.
_AWS_OVERHEAD = 16

#: AWS's type number of a header value that is a string.
_AWS_STRING = b"\x07"

#: The header that contains the name of a message, by its `:message-type`.
_AWS_NAME_HEADERS = {
    "event": ":event-type",
    "exception": ":exception-type",
    "error": ":error-code",
}


def encode_events(
    events: Sequence[Event], framing: Framing, *, indent: bool = False
) -> list[bytes]:
    """Encode each event. With `indent`, its JSON spans several lines, which only SSE can carry."""
    return [_encode_event(event, framing, indent) for event in events]


def encode_json(value: object) -> bytes:
    """Encode JSON as providers do: UTF-8, without white space."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _encode_event(event: Event, framing: Framing, indent: bool) -> bytes:
    if isinstance(event, bytes):
        return event
    if isinstance(event, tuple):
        name, payload = event
    else:
        name = ""
        payload = event
    data = _encode_payload(payload, indent)
    if framing == "ndjson":
        return data + b"\n"
    if framing == "aws":
        return _encode_aws_message(name, data)
    return _encode_server_sent_event(name, data)


def _encode_payload(payload: Mapping[str, object] | str, indent: bool) -> bytes:
    if isinstance(payload, str):
        return payload.encode()
    if indent:
        return json.dumps(payload, ensure_ascii=False, indent=1).encode()
    return encode_json(payload)


def _encode_server_sent_event(name: str, data: bytes) -> bytes:
    # Each line of the data is a field of its own; the blank line ends the event.
    lines = [b"data: %b\n" % line for line in data.split(b"\n")]
    if name:
        lines.insert(0, b"event: %b\n" % name.encode())
    return b"".join(lines) + b"\n"


def _encode_aws_message(name: str, payload: bytes) -> bytes:
    """Encode a message: prelude, headers, payload, checksum. The name `exception:Name` makes it an exception."""
    prefix, _, own_name = name.rpartition(":")
    message_type = prefix or "event"
    fields = {
        _AWS_NAME_HEADERS[message_type]: own_name,
        ":content-type": "application/json",
        ":message-type": message_type,
    }
    headers = b"".join(_encode_aws_header(header, value) for header, value in fields.items())
    prelude = struct.pack("!II", _AWS_OVERHEAD + len(headers) + len(payload), len(headers))
    # The prelude has a checksum of its own, so that a damaged length is noticed before the rest is read.
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack("!I", zlib.crc32(message))


def _encode_aws_header(name: str, value: str) -> bytes:
    text = value.encode()
    # The length of the name has one byte, that of the value two.
    return bytes([len(name)]) + name.encode() + _AWS_STRING + struct.pack("!H", len(text)) + text
