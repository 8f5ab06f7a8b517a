"""Server-sent events, as they were received."""

from __future__ import annotations

import re
from functools import lru_cache

_NAME = re.compile(r"[A-Za-z0-9_.-]+")


def framed(event: str, data: bytes) -> bytes:
    """Return an event with its name, if it has one."""
    if b"\n" in data or b"\r" in data:
        data = data.replace(b"\r", b" ").replace(b"\n", b"\ndata: ")
    return _head_of(event) + data + b"\n\n"


# There are few names, and each is needed for every event.
@lru_cache(maxsize=256)
def _head_of(event: str) -> bytes:
    """Return what precedes the data of an event. A name must not break out of its line."""
    if _NAME.fullmatch(event):
        return b"event: %b\ndata: " % event.encode()
    return b"data: "
