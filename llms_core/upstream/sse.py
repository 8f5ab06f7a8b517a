"""Server-sent events, read incrementally from pieces of any size, in linear time.

As in the HTML standard, section 9.2.6: CR, LF or CRLF end a line, a blank line ends an event, the data lines of an
event are joined with LF, and comments are ignored. Three departures from it, for what providers send:

- An event that is cut off by the end of the stream is still returned: the last blank line may be missing.
- An event whose data is blank is ignored: it keeps the connection alive.
- Lines of JSON without `data:` are data: some servers write their errors so. The standard ignores them.
"""

from __future__ import annotations

from functools import lru_cache

from llms_core.upstream.event_buffer import Event, EventBuffer

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

#: A shorter block may have blank data.
_MIN_BLOCK = len(b'data: {"a":1}')

#: of an event with a name and one data line
_LINE_ENDS_OF_NAMED = 3


class ServerSentEvents:
    """Reads the events of one stream."""

    def __init__(self) -> None:
        self._buffer = EventBuffer()
        #: whether the beginning, which may be a byte order mark, has been read
        self._started = False
        #: whether the last byte was a CR: an LF that follows belongs to the same line end
        self._after_cr = False

    def feed(self, piece: bytes) -> list[Event]:
        """Return the events that `piece` completes. Raises ProviderError if one is over MAX_EVENT_BYTES."""
        # Nearly every piece is one event, of one data line or of a name and one data line.
        if (
            piece.endswith(b"}\n\n")
            and b"\r" not in piece
            and self._started
            and not self._buffer.size
            and not self._after_cr
        ):
            if piece.startswith(b"data: {") and piece.find(b"\n") == len(piece) - 2:
                return [("", piece[6:-2])]
            if piece.startswith(b"event: ") and piece.count(b"\n") == _LINE_ENDS_OF_NAMED:
                named = _parse_named(piece[:-2])
                if named is not None:
                    return [named]
        if not self._started:
            piece = self._skip_byte_order_mark(piece)
        if self._after_cr or b"\r" in piece:
            piece = self._with_line_feeds(piece)
        if self._buffer.size:
            ends_here = piece.startswith(b"\n") and self._buffer.ends_with(b"\n")
            if not ends_here and b"\n\n" not in piece:
                self._buffer.hold(piece)
                return []
            piece = self._buffer.take() + piece
        blocks = piece.split(b"\n\n")
        self._buffer.hold(blocks.pop())
        events = []
        for block in blocks:
            event = _parse(block)
            if event is not None:
                events.append(event)
        return events

    def end(self) -> list[Event]:
        """Return the event that the end of the stream cut off, if there is one."""
        event = _parse(self._buffer.take())
        return [] if event is None else [event]

    def _skip_byte_order_mark(self, piece: bytes) -> bytes:
        """Return the stream's first bytes without a byte order mark; nothing while they may be a part of one."""
        data = self._buffer.take() + piece
        if len(data) < len(_BYTE_ORDER_MARK) and _BYTE_ORDER_MARK.startswith(data):
            self._buffer.hold(data)
            return b""
        self._started = True
        return data.removeprefix(_BYTE_ORDER_MARK)

    def _with_line_feeds(self, piece: bytes) -> bytes:
        """Replace all line ends by LF. A CRLF may be split between two pieces."""
        if self._after_cr and piece:
            piece = piece.removeprefix(b"\n")
            self._after_cr = False
        if piece:
            self._after_cr = piece.endswith(b"\r")
        return piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _parse(block: bytes) -> Event | None:
    """Return the event of a block of lines; None if it has no data."""
    # Nearly all events are one data line.
    if block.startswith(b"data: ") and b"\n" not in block and len(block) >= _MIN_BLOCK:
        return "", block[6:]
    if block.startswith(b"event: ") and block.count(b"\n") == 1:
        named = _parse_named(block)
        if named is not None:
            return named
    name = ""
    data: list[bytes] = []
    has_json = False
    for line in block.split(b"\n"):
        if has_json or line.startswith(b"{"):
            has_json = True
            data.append(line)
            continue
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ").decode("utf-8", "replace")
    joined = b"\n".join(data)
    if joined.strip():
        return (name, joined)
    return None


def _parse_named(block: bytes) -> Event | None:
    """Return the event of two lines, its name and a JSON object; None if they are anything else."""
    name, found, data = block.partition(b"\ndata: {")
    if found:
        return (_name_of(name), b"{" + data)
    return None


@lru_cache(maxsize=256)
def _name_of(line: bytes) -> str:
    """Return the name of an event. Streams repeat the same few."""
    return line.removeprefix(b"event: ").decode("utf-8", "replace")
