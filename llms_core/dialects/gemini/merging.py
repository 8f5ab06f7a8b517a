"""Merges JSON that arrives in pieces, such as the opaque data of a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merge(target: dict[str, Any], source: Mapping[str, Any]) -> None:
    """Add members to an object: lists are extended, objects merged, and everything else replaced.

    Nothing of the source is changed later. The depth is that of what an adapter or this gateway has made.
    """
    for name, value in source.items():
        known = target.get(name)
        if isinstance(value, Mapping):
            inner = dict(known) if isinstance(known, Mapping) else {}
            merge(inner, value)
            target[name] = inner
        elif isinstance(value, list) and isinstance(known, list):
            target[name] = known + value
        else:
            target[name] = value
