"""Keeps what has arrived of an upload, so that it can be sent again: in memory, within limits, or in a file."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from typing import IO

#: Bytes that are read from a file at a time.
_READ_SIZE = 256 * 1024

UPLOADS_IN_MEMORY = 16
"""How many uploads may fill their replay buffers at the same time. Those beyond are sent on without being kept."""


class ReplayMemory:
    """The memory that all uploads share. `per_upload` and `total` are in bytes."""

    def __init__(self, per_upload: int):
        self.per_upload = per_upload
        self.total = per_upload * UPLOADS_IN_MEMORY
        self.used = 0

    def has_room(self, size: int, more: int) -> bool:
        """Whether an upload that occupies `size` bytes may occupy more."""
        return size + more <= self.per_upload and self.used + more <= self.total


class Spool:
    """The bytes of one upload. Must be closed."""

    def __init__(self, memory: ReplayMemory):
        self._memory = memory
        self._pieces: list[bytes] = []
        self._in_memory = 0
        self._file: IO[bytes] | None = None
        #: Bytes that were added.
        self.size = 0
        #: Whether all of them can be read again.
        self.is_kept = True

    def has_room(self, more: int) -> bool:
        """Whether further bytes can be kept without the need for a file."""
        return self._file is not None or self._memory.has_room(self._in_memory, more)

    async def add(self, data: bytes, *, keep: bool = False) -> None:
        """Add bytes. They are kept if there is room or a file, or if they must be; otherwise everything is dropped."""
        self.size += len(data)
        if self._file is not None:
            await asyncio.to_thread(self._file.write, data)
        elif keep or (self.is_kept and self._memory.has_room(self._in_memory, len(data))):
            self._pieces.append(data)
            self._in_memory += len(data)
            self._memory.used += len(data)
        else:
            self.is_kept = False
            self._release()

    async def spill(self) -> None:
        """Keep everything in a temporary file from now on, which has no name. Raises OSError."""
        if self._file is None:
            self._file = await asyncio.to_thread(tempfile.TemporaryFile)
            await asyncio.to_thread(self._file.writelines, self._pieces)
            self._release()

    async def read(self, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Return the bytes between two offsets, all of which must have been kept."""
        if self._file is None:
            for piece in _cut(self._pieces, start, end):
                yield piece
            return
        while start < end:
            data = await asyncio.to_thread(self._read_file, start, min(_READ_SIZE, end - start))
            start += len(data)
            yield data

    def close(self) -> None:
        """Forget everything."""
        self.is_kept = False
        self._release()
        if self._file is not None:
            self._file.close()

    def _read_file(self, start: int, size: int) -> bytes:
        assert self._file is not None  # noqa: S101 - the only caller has checked
        self._file.seek(start)
        data = self._file.read(size)
        # Writing continues at the end.
        self._file.seek(0, 2)
        if not data:
            raise OSError("the temporary file of an upload is shorter than it was")
        return data

    def _release(self) -> None:
        self._memory.used -= self._in_memory
        self._in_memory = 0
        self._pieces = []


def _cut(pieces: list[bytes], start: int, end: int) -> list[bytes]:
    """Return the parts of the pieces that are between two offsets."""
    found = []
    offset = 0
    for piece in pieces:
        part = piece[max(0, start - offset) : max(0, end - offset)]
        offset += len(piece)
        if part:
            found.append(part)
    return found
