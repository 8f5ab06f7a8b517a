"""Recognizes the events that servers and proxies send only to keep a stream's connection alive."""

from __future__ import annotations

import msgspec

from llms_core.contracts.json import UNREADABLE

_NAMES = frozenset({"ping", "pong", "heartbeat", "keepalive", "keep-alive", "keep_alive"})
_EMPTY = (b"", b"null", b"{}", b"[]", b'""')
#: A longer event is not decoded.
_MAX_BYTES = 1000


def is_keep_alive(name: str, data: bytes) -> bool:
    """Whether an event that is not part of the answer is a keep-alive: by its name, its type, or its emptiness."""
    if name.lower() in _NAMES:
        return True
    text = data.strip()
    if text in _EMPTY:
        return True
    if len(text) > _MAX_BYTES:
        return False
    if text.strip(b'"[]: ').lower().decode("latin-1") in _NAMES:
        return True
    try:
        value = msgspec.json.decode(text)
    except UNREADABLE:
        return False
    if not isinstance(value, dict):
        return False
    kinds = [value.get(member) for member in ("type", "event", "object")]
    return any(
        isinstance(kind, str) and kind.lower() in _NAMES for kind in kinds
    ) or _NAMES.issuperset(value)
