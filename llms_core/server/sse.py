"""Server-sent events, written."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llms_core.contracts.chunk import Chunk

DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"


def frame(chunks: Sequence[Chunk], include_usage: bool, translate: Callable[[bytes], bytes] | None) -> bytes:
    """The events of chunks that arrived together, in one piece; the usage chunk only for who asked (SR-055)."""
    pieces: list[bytes] = []
    for chunk in chunks:
        if not chunk.usage or include_usage:
            data = translate(chunk.data) if translate else chunk.data
            pieces += (b"data: ", data, b"\n\n")
    return b"".join(pieces)


def event(data: bytes) -> bytes:
    """One event."""
    return b"data: %b\n\n" % data
