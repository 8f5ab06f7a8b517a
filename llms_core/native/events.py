"""Server-sent events, as they were received."""

from __future__ import annotations


def framed(event: str, data: bytes) -> bytes:
    """Return an event with its name, if it has one."""
    if b"\n" in data:
        data = data.replace(b"\n", b"\ndata: ")
    if not event:
        return b"data: %b\n\n" % data
    return b"event: %b\ndata: %b\n\n" % (event.encode(), data)
