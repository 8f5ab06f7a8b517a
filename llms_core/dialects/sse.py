"""Server-sent events, written: https://html.spec.whatwg.org/multipage/server-sent-events.html."""

from __future__ import annotations

from collections.abc import Sequence

CONTENT_TYPE = b"text/event-stream; charset=utf-8"

KEEP_ALIVE = b": keep-alive\n\n"
"""A comment, which clients ignore."""


def event(data: bytes, name: bytes = b"") -> bytes:
    """Return one event. `data` must not contain line breaks."""
    if name:
        return b"event: %b\ndata: %b\n\n" % (name, data)
    return b"data: %b\n\n" % data


def events(items: Sequence[bytes]) -> bytes:
    """Return several unnamed events as one piece of bytes; nothing for no items."""
    if not items:
        return b""
    return b"data: " + b"\n\ndata: ".join(items) + b"\n\n"
