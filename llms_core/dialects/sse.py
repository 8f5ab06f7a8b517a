"""Server-sent events, written."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llms_core.contracts.chunk import Chunk

DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"


def frame(chunks: Sequence[Chunk], include_usage: bool, translate: Callable[[bytes], bytes] | None) -> bytes:
    """The events of chunks that arrived together, in one piece; the usage chunk only for who asked (SR-055)."""
    said = [chunk.data for chunk in chunks if include_usage or not chunk.usage]
    if translate is not None:
        said = [translate(data) for data in said]
    return b"data: " + b"\n\ndata: ".join(said) + b"\n\n" if said else b""


def event(data: bytes) -> bytes:
    """One event."""
    return b"data: %b\n\n" % data
