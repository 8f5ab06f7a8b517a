"""Newline-delimited JSON, read incrementally from pieces of any size."""

from __future__ import annotations

from collections.abc import Iterable

from llms_core.upstream.event_buffer import Event, EventBuffer


class Lines:
    """Reads the lines of one stream: each line that is not blank is an event without a name."""

    def __init__(self) -> None:
        self._buffer = EventBuffer()

    def feed(self, piece: bytes) -> list[Event]:
        """Return the lines that `piece` completes. Raises ProviderError if one is over MAX_EVENT_BYTES."""
        if b"\n" not in piece:
            self._buffer.hold(piece)
            return []
        lines = (self._buffer.take() + piece).split(b"\n")
        self._buffer.hold(lines.pop())
        return _events(lines)

    def end(self) -> list[Event]:
        """Return the line that the end of the stream cut off, if there is one."""
        return _events([self._buffer.take()])


def _events(lines: Iterable[bytes]) -> list[Event]:
    stripped = map(bytes.strip, lines)
    return [("", line) for line in stripped if line]
