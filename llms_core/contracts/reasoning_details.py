"""`reasoning_details`, in which OpenRouter and its like send the reasoning of all vendors, with its signatures.

https://openrouter.ai/docs/use-cases/reasoning-tokens. It has to come back whole, and a stream has it in pieces.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

NAME = "reasoning_details"
"""The member of a message, or of a delta."""

#: What the pieces of one entry continue. Every piece repeats all other members.
_CONTINUED = ("text", "summary", "data", "signature")


def consolidated(pieces: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries that the pieces of a stream make up.

    A piece continues the one before it if it has the same type and index. The index alone does not tell: entries of
    other types may have the same.
    """
    entries: list[dict[str, Any]] = []
    for piece in pieces:
        last = entries[-1] if entries else None
        if last is None or piece.get("index") is None or not _continues(piece, last):
            entries.append(dict(piece))
            continue
        for name, value in piece.items():
            if name in _CONTINUED and isinstance(value, str):
                last[name] = (last.get(name) or "") + value
            elif last.get(name) is None:
                last[name] = value
    return entries


def _continues(piece: Mapping[str, Any], last: Mapping[str, Any]) -> bool:
    return (piece.get("type"), piece["index"]) == (last.get("type"), last.get("index"))
