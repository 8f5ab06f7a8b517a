"""What the readers of streams have in common: the event, its largest size, and the buffer for incomplete ones."""

from __future__ import annotations

from llms_core.errors import ErrorKind, ProviderError

Event = tuple[str, bytes]
"""The event's name (empty if it has none) and its data."""

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""The largest event that is accepted. A generated image in base64 fits."""


class EventBuffer:
    """Holds the pieces of an event, or of a line, that is not complete yet.

    They are only joined once the event is complete: joining them one by one would copy an image that comes as one
    event once for every piece of it.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        #: bytes held
        self.size = 0

    def hold(self, piece: bytes) -> None:
        """Append a piece. Raises ProviderError if more than MAX_EVENT_BYTES are held."""
        if not piece:
            return
        self._pieces.append(piece)
        self.size += len(piece)
        if self.size > MAX_EVENT_BYTES:
            raise ProviderError(
                ErrorKind.BAD_RESPONSE, f"An event of the stream exceeds {MAX_EVENT_BYTES} bytes"
            )

    def ends_with(self, end: bytes) -> bool:
        """Whether the last piece ends with `end`, which is one byte."""
        return bool(self._pieces) and self._pieces[-1].endswith(end)

    def take(self) -> bytes:
        """Return everything that is held, and hold nothing."""
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces = []
        self.size = 0
        return data
