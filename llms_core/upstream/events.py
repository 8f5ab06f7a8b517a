"""Server-sent events and newline-delimited JSON, read incrementally from whatever pieces the network gives.

SSE as in the HTML standard, section 9.2.6: CR, LF or CRLF end a line, a blank line ends an event, lines of data are
joined with LF, comments are left out. Unlike there, an event that the end of the stream cut off is still given, because
providers leave out the last blank line.
"""

from __future__ import annotations

from llms_core.errors import ErrorKind, ProviderError

Event = tuple[str, bytes]
"""The event's name (empty where it has none) and its data."""

LARGEST = 16 * 1024 * 1024
"""Bytes that one event may have: a generated image fits in."""


class _Rest:
    """What has come of an event, or of a line, that is not complete.

    Pieces in which no line ends are only put by: joined one by one, an image that comes as one event would be copied
    once for every piece of it.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0

    def put_by(self, piece: bytes) -> bool:
        """Keep a piece that completes nothing. Raises ProviderError where the whole grows larger than LARGEST."""
        if b"\n" in piece or b"\r" in piece:
            return False
        self._pieces.append(piece)
        self.size += len(piece)
        if self.size > LARGEST:
            raise ProviderError(ErrorKind.BAD_RESPONSE, f"An event of the stream has over {LARGEST} bytes")
        return True

    def take(self) -> bytes:
        """All of it; nothing is kept."""
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces, self.size = [], 0
        return data

    def keep(self, data: bytes) -> None:
        """What is left after the events were cut off. Raises ProviderError where it is larger than LARGEST."""
        if len(data) > LARGEST:
            raise ProviderError(ErrorKind.BAD_RESPONSE, f"An event of the stream has over {LARGEST} bytes")
        if data:
            self._pieces, self.size = [data], len(data)


class ServerSentEvents:
    """One stream's state."""

    def __init__(self) -> None:
        self._rest = _Rest()
        self._started = False

    def feed(self, piece: bytes) -> list[Event]:
        """The events that `piece` completes. Raises ProviderError where one is larger than LARGEST."""
        if not self._started:
            piece = self._start(piece)
        elif self._rest.size or not piece.endswith(b"\n"):
            if self._rest.put_by(piece):
                return []
            piece = self._rest.take() + piece
        if b"\r" in piece:
            # A CR at the very end may be half of a CRLF: it waits for the next piece.
            held = piece.endswith(b"\r")
            piece = piece[: -1 if held else None].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            piece += b"\r" if held else b""
        blocks = piece.split(b"\n\n")
        if left := blocks.pop():
            self._rest.keep(left)
        return [event for block in blocks if (event := _event(block)) is not None]

    def _start(self, piece: bytes) -> bytes:
        """The stream's first bytes without a byte order mark; none while they may be a part of one."""
        data = self._rest.take() + piece
        if len(data) < 3 and b"\xef\xbb\xbf".startswith(data):
            self._rest.keep(data)
            return b""
        self._started = True
        return data.removeprefix(b"\xef\xbb\xbf")

    def end(self) -> list[Event]:
        """The event that the stream's end cut off, if there is one."""
        event = _event(self._rest.take().replace(b"\r", b"\n"))
        return [] if event is None else [event]


class Lines:
    """Newline-delimited JSON: each line that is not blank is an event without a name."""

    def __init__(self) -> None:
        self._rest = _Rest()

    def feed(self, piece: bytes) -> list[Event]:
        """The lines that `piece` completes. Raises ProviderError where one is larger than LARGEST."""
        if self._rest.put_by(piece):
            return []
        lines = (self._rest.take() + piece).split(b"\n")
        self._rest.keep(lines.pop())
        return [("", line) for line in map(bytes.strip, lines) if line]

    def end(self) -> list[Event]:
        """The line that has no end, if there is one."""
        line = self._rest.take().strip()
        return [("", line)] if line else []


def _event(block: bytes) -> Event | None:
    if block.startswith(b"data: ") and b"\n" not in block:
        return "", block[6:]
    name, data = "", []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
    return (name, b"\n".join(data)) if data else None
