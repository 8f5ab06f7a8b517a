"""Merges JSON that arrives in pieces, such as the opaque data of a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merge(target: dict[str, Any], source: Mapping[str, Any]) -> None:
    """Add members to an object: lists are extended, objects merged, and everything else replaced.

    Nothing of the source is changed later: its lists and objects are copied, and the copies grow. The target has to be
    made by this function alone. The depth is that of what an adapter or this gateway has made.
    """
    for name, value in source.items():
        known = target.get(name)
        if isinstance(value, Mapping):
            if not isinstance(known, dict):
                known = target[name] = {}
            merge(known, value)
        elif isinstance(value, list):
            if not isinstance(known, list):
                known = target[name] = []
            known.extend(value)
        else:
            target[name] = value
