"""AWS's binary event streams (application/vnd.amazon.eventstream), read incrementally.

A message is a prelude (its length, the length of its headers, the CRC-32 of both), headers, a payload, and the CRC-32
of all before: https://smithy.io/2.0/aws/amazon-eventstream.html.
"""

from __future__ import annotations

import json
import struct
import zlib

from llms_core.errors import ErrorKind, ProviderError
from llms_core.upstream import events

_PRELUDE = struct.Struct("!III")
_CRC = struct.Struct("!I")
#: What the types of headers' values take: booleans, byte to long, bytes and text (with their length), timestamp, UUID.
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 6: None, 7: None, 8: 8, 9: 16}
_TEXT = 7
#: The header that names a message, by the message's type.
_NAMES = {"event": ":event-type", "exception": ":exception-type", "error": ":error-code"}


class EventStreamMessages:
    """One stream's state.

    An event is named by its `:event-type`; what tells of a failure by `exception:` or `error:` and its own name.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._fault: ProviderError | None = None

    def feed(self, piece: bytes) -> list[events.Event]:
        """The messages that `piece` completes.

        Raises ProviderError where the bytes are damaged, or a message has over LARGEST bytes; what came whole before
        is given first.
        """
        if self._fault is not None:
            raise self._fault
        self._rest += piece
        found: list[events.Event] = []
        start = 0
        try:
            while (length := self._length(start)) and len(self._rest) >= start + length:
                found.append(_event(bytes(self._rest[start : start + length])))
                start += length
        except ProviderError as fault:
            if not found:
                raise
            self._fault = fault
        del self._rest[:start]
        return found

    def end(self) -> list[events.Event]:
        """Nothing: a message that the stream's end cut off has no meaning."""
        if self._fault is not None:
            raise self._fault
        self._rest.clear()
        return []

    def _length(self, start: int) -> int:
        """The length of the message that begins at `start`; 0 while its prelude is not there."""
        if len(self._rest) < start + _PRELUDE.size:
            return 0
        length, headers, crc = _PRELUDE.unpack_from(self._rest, start)
        if zlib.crc32(self._rest[start : start + 8]) != crc:
            raise _damaged("the checksum of a message's prelude is wrong")
        if length > events.LARGEST:
            raise ProviderError(ErrorKind.BAD_RESPONSE, f"A message of the stream has over {events.LARGEST} bytes")
        if length < _PRELUDE.size + headers + _CRC.size:
            raise _damaged("a message is shorter than its headers")
        return int(length)


def _event(message: bytes) -> events.Event:
    if zlib.crc32(message[: -_CRC.size]) != _CRC.unpack(message[-_CRC.size :])[0]:
        raise _damaged("the checksum of a message is wrong")
    end = _PRELUDE.size + _PRELUDE.unpack_from(message)[1]
    headers, payload = _headers(message[_PRELUDE.size : end]), message[end : -_CRC.size]
    kind = headers.get(":message-type", "event")
    name = headers.get(_NAMES.get(kind, ":event-type"), "")
    if kind == "event":
        return name, payload
    if not payload and ":error-message" in headers:  # an error has no payload of its own
        payload = json.dumps({"message": headers[":error-message"]}).encode()
    return f"{kind}:{name}", payload


def _headers(data: bytes) -> dict[str, str]:
    """The headers whose values are text."""
    found = {}
    at = 0
    try:
        while at < len(data):
            name = data[at + 1 : at + 1 + data[at]]
            at += 1 + len(name)
            kind = data[at]
            at += 1
            size = _SIZES[kind]
            if size is None:
                size = int.from_bytes(data[at : at + 2], "big")
                at += 2
            if at + size > len(data):
                raise IndexError
            if kind == _TEXT:
                found[name.decode()] = data[at : at + size].decode()
            at += size
    except (IndexError, KeyError, UnicodeDecodeError):
        raise _damaged("a message's headers make no sense") from None
    return found


def _damaged(why: str) -> ProviderError:
    return ProviderError(ErrorKind.BAD_RESPONSE, f"The stream is damaged: {why}")
