"""A large request body as the pieces that are written one after the other."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from llms_core.contracts.upload import Upload

WRITE_SIZE = 128 * 1024
"""Bytes that are handed to the socket at a time."""

_LAST_CHUNK = b"0\r\n\r\n"


async def sliced(body: bytes) -> AsyncGenerator[bytes | memoryview, None]:
    """Return the pieces of a body that is in memory."""
    view = memoryview(body)
    for start in range(0, len(body), WRITE_SIZE):
        yield view[start : start + WRITE_SIZE]


async def framed(upload: Upload) -> AsyncGenerator[bytes | memoryview, None]:
    """Return the pieces of a body that is still arriving: as chunks if its length is not known."""
    is_chunked = upload.length is None
    async for piece in upload.pieces():
        if is_chunked and piece:
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
        elif piece:
            yield piece
    if is_chunked:
        yield _LAST_CHUNK
