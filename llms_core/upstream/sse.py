"""Server-sent events, read incrementally from pieces of any size.

As in the HTML standard, section 9.2.6: CR, LF or CRLF end a line, a blank line ends an event, the data lines of an
event are joined with LF, and comments are ignored. Unlike in the standard, an event that is cut off by the end of the
stream is still returned, because providers omit the last blank line.
"""

from __future__ import annotations

from llms_core.upstream.event_buffer import Event, EventBuffer

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ServerSentEvents:
    """Reads the events of one stream."""

    def __init__(self) -> None:
        self._buffer = EventBuffer()
        #: whether the beginning, which may be a byte order mark, has been read
        self._started = False

    def feed(self, piece: bytes) -> list[Event]:
        """Return the events that `piece` completes. Raises ProviderError if one is over MAX_EVENT_BYTES."""
        if not self._started:
            piece = self._skip_byte_order_mark(piece)
        elif self._buffer.size or not piece.endswith(b"\n"):
            if self._buffer.hold(piece):
                return []
            piece = self._buffer.take() + piece
        if b"\r" in piece:
            piece = _with_line_feeds(piece)
        blocks = piece.split(b"\n\n")
        incomplete = blocks.pop()
        if incomplete:
            self._buffer.keep(incomplete)
        events = []
        for block in blocks:
            event = _parse(block)
            if event is not None:
                events.append(event)
        return events

    def end(self) -> list[Event]:
        """Return the event that the end of the stream cut off, if there is one."""
        event = _parse(self._buffer.take().replace(b"\r", b"\n"))
        return [] if event is None else [event]

    def _skip_byte_order_mark(self, piece: bytes) -> bytes:
        """Return the stream's first bytes without a byte order mark; nothing while they may be a part of one."""
        data = self._buffer.take() + piece
        if len(data) < len(_BYTE_ORDER_MARK) and _BYTE_ORDER_MARK.startswith(data):
            self._buffer.keep(data)
            return b""
        self._started = True
        return data.removeprefix(_BYTE_ORDER_MARK)


def _with_line_feeds(piece: bytes) -> bytes:
    """Replace all line ends by LF, except for a CR at the very end: it may be the first half of a CRLF."""
    if piece.endswith(b"\r"):
        return _with_line_feeds(piece[:-1]) + b"\r"
    return piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _parse(block: bytes) -> Event | None:
    """Return the event of a block of lines; None if it has no data."""
    # Nearly all events are one data line.
    if block.startswith(b"data: ") and b"\n" not in block:
        return "", block[6:]
    name = ""
    data = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
    return (name, b"\n".join(data)) if data else None
