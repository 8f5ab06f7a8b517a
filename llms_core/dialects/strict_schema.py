"""Which JSON schemas OpenAI accepts with `strict`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def fits_strict_mode(schema: Mapping[str, Any]) -> bool:
    """Whether OpenAI accepts a schema with `strict`: every object is closed and requires all its properties.

    Other APIs also allow optional properties; providers refuse the whole request for them.
    """
    pending: list[Any] = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, Mapping):
            if not _is_closed(node):
                return False
            pending += node.values()
        elif isinstance(node, list):
            pending += node
    return True


def _is_closed(node: Mapping[str, Any]) -> bool:
    """Whether a schema is of no object, or of one that is closed and requires all its properties."""
    properties = node.get("properties")
    if node.get("type") != "object" and not isinstance(properties, Mapping):
        return True
    if node.get("additionalProperties") is not False:
        return False
    required = node.get("required")
    listed = required if isinstance(required, list) else []
    names = properties if isinstance(properties, Mapping) else {}
    return set(names) == {name for name in listed if isinstance(name, str)}
