"""AWS's binary event streams (application/vnd.amazon.eventstream), read incrementally from pieces of any size.

A message consists of a prelude (its length, the length of its headers, and the CRC-32 of both), headers, a payload, and
the CRC-32 of everything before: https://smithy.io/2.0/aws/amazon-eventstream.html.
"""

from __future__ import annotations

import json
import struct
import zlib

from llms_core.errors import ErrorKind, ProviderError
from llms_core.upstream import event_buffer
from llms_core.upstream.event_buffer import Event

# Length of the message, length of the headers, checksum of the two.
_PRELUDE = struct.Struct("!III")
_CHECKSUM = struct.Struct("!I")
_LENGTHS_SIZE = _PRELUDE.size - _CHECKSUM.size

# Bytes of a header's value, by its type. The last two have a length of their own before them.
_VALUE_SIZES = {
    0: 0,  # true
    1: 0,  # false
    2: 1,  # byte
    3: 2,  # short
    4: 4,  # integer
    5: 8,  # long
    8: 8,  # timestamp
    9: 16,  # UUID
}
_BYTES = 6
_TEXT = 7

# The header with the name of a message, by the value of `:message-type`.
_NAME_HEADERS = {"event": ":event-type", "exception": ":exception-type", "error": ":error-code"}


class EventStreamMessages:
    """Reads the messages of one stream.

    An event has the name in its `:event-type`. Failures are named `exception:` or `error:`, followed by their own name.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        #: raised by the next call, so that the messages before the damage are returned first
        self._error: ProviderError | None = None

    def feed(self, piece: bytes) -> list[Event]:
        """Return the messages that `piece` completes.

        Raises ProviderError if the stream is damaged or a message is over MAX_EVENT_BYTES. Complete messages before
        that are returned first.
        """
        if self._error is not None:
            raise self._error
        self._buffer += piece
        events: list[Event] = []
        start = 0
        try:
            while True:
                length = self._message_length(start)
                if not length or len(self._buffer) < start + length:
                    break
                events.append(_parse(bytes(self._buffer[start : start + length])))
                start += length
        except ProviderError as error:
            if not events:
                raise
            self._error = error
        del self._buffer[:start]
        return events

    def end(self) -> list[Event]:
        """Return nothing: a message that was cut off cannot be read. Raises ProviderError if the stream is damaged."""
        if self._error is not None:
            raise self._error
        self._buffer.clear()
        return []

    def _message_length(self, start: int) -> int:
        """Return the length of the message that begins at `start`; 0 if its prelude is not complete yet."""
        if len(self._buffer) < start + _PRELUDE.size:
            return 0
        length, headers_length, checksum = _PRELUDE.unpack_from(self._buffer, start)
        # Checked before the message is complete: a damaged length could make the gateway wait for gigabytes.
        if zlib.crc32(self._buffer[start : start + _LENGTHS_SIZE]) != checksum:
            raise _damaged("the checksum of a message's prelude is wrong")
        max_bytes = event_buffer.MAX_EVENT_BYTES
        if length > max_bytes:
            raise ProviderError(
                ErrorKind.BAD_RESPONSE, f"A message of the stream exceeds {max_bytes} bytes"
            )
        if length < _PRELUDE.size + headers_length + _CHECKSUM.size:
            raise _damaged("a message is shorter than its headers")
        return int(length)


def _parse(message: bytes) -> Event:
    """Return the event of a complete message. Raises ProviderError if it is damaged."""
    content = message[: -_CHECKSUM.size]
    (checksum,) = _CHECKSUM.unpack(message[-_CHECKSUM.size :])
    if zlib.crc32(content) != checksum:
        raise _damaged("the checksum of a message is wrong")
    _, headers_length, _ = _PRELUDE.unpack_from(message)
    headers_end = _PRELUDE.size + headers_length
    headers = _text_headers(content[_PRELUDE.size : headers_end])
    payload = content[headers_end:]

    message_type = headers.get(":message-type", "event")
    name_header = _NAME_HEADERS.get(message_type, ":event-type")
    name = headers.get(name_header, "")
    if message_type == "event":
        return name, payload
    # An error has its message in a header, and no payload.
    if not payload and ":error-message" in headers:
        payload = json.dumps({"message": headers[":error-message"]}).encode()
    return f"{message_type}:{name}", payload


def _text_headers(data: bytes) -> dict[str, str]:
    """Return the headers whose values are text: no other is needed. Raises ProviderError if they are damaged.

    A header is the length of its name, its name, the type of its value, and the value.
    """
    headers = {}
    position = 0
    try:
        while position < len(data):
            name_end = position + 1 + data[position]
            name = data[position + 1 : name_end]
            value_type = data[name_end]
            position = name_end + 1
            if value_type in (_BYTES, _TEXT):
                size = int.from_bytes(data[position : position + 2], "big")
                position += 2
            else:
                size = _VALUE_SIZES[value_type]
            value_end = position + size
            # A slice beyond the end would be shorter, without an error.
            if value_end > len(data):
                raise _damaged("the headers of a message are invalid")
            if value_type == _TEXT:
                headers[name.decode()] = data[position:value_end].decode()
            position = value_end
    except (IndexError, KeyError, UnicodeDecodeError):
        raise _damaged("the headers of a message are invalid") from None
    return headers


def _damaged(reason: str) -> ProviderError:
    return ProviderError(ErrorKind.BAD_RESPONSE, f"The stream is damaged: {reason}")
