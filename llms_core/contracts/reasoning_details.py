"""`reasoning_details`, in which OpenRouter and its like send the reasoning of all vendors, with its signatures.

https://openrouter.ai/docs/use-cases/reasoning-tokens. It has to come back whole, and a stream has it in pieces.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    entries: list[list[Mapping[str, Any]]] = []
    for piece in pieces:
        if entries and piece.get("index") is not None and _continues(piece, entries[-1][0]):
            entries[-1].append(piece)
        else:
            entries.append([piece])
    return [_joined(entry) for entry in entries]


def _continues(piece: Mapping[str, Any], first: Mapping[str, Any]) -> bool:
    return (piece.get("type"), piece["index"]) == (first.get("type"), first.get("index"))


def _joined(pieces: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the entry that its pieces make up."""
    entry = dict(pieces[0])
    for piece in pieces[1:]:
        for name, value in piece.items():
            if entry.get(name) is None:
                entry[name] = value
    for name in _CONTINUED:
        # Joined once, because appending to a long text copies it.
        texts = [text for piece in pieces if isinstance(text := piece.get(name), str)]
        if len(texts) > 1:
            entry[name] = "".join(texts)
    return entry
