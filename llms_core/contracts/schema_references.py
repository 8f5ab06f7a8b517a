"""References between the definitions of a JSON schema."""

from __future__ import annotations

import re
from typing import Any

import msgspec

Schema = dict[str, Any]

_SECTIONS = ("definitions", "$defs")
# The name of a definition; empty in `{"$ref": "#"}`, which refers to the whole schema.
_REFERENCE = re.compile(rb'"\$ref":"#(?:/\$defs/|/definitions/)?([^"]*)"')


def is_recursive(schema: Schema) -> bool:
    """Return whether a definition, or the whole schema, refers to itself, directly or through others.

    Takes time in proportion to the schema, and no recursion, however long the chains of references are.
    """
    references = _references_by_definition(schema)
    referrers: dict[str, list[str]] = {name: [] for name in references}
    unresolved: dict[str, int] = {}
    for name, targets in references.items():
        known = targets & references.keys()
        unresolved[name] = len(known)
        for target in known:
            referrers[target].append(name)
    # Remove what refers to nothing that is left, until nothing can be removed: what is left then is a cycle.
    resolved = [name for name, count in unresolved.items() if count == 0]
    removed = 0
    while resolved:
        removed += 1
        for referrer in referrers[resolved.pop()]:
            unresolved[referrer] -= 1
            if unresolved[referrer] == 0:
                resolved.append(referrer)
    return removed < len(references)


def _references_by_definition(schema: Schema) -> dict[str, set[str]]:
    """Return the names that each definition refers to; those of the rest of the schema under the empty name."""
    references = {}
    for section in _SECTIONS:
        definitions = schema.get(section)
        if isinstance(definitions, dict):
            for name, definition in definitions.items():
                references[name] = _references(definition)
    root = {keyword: value for keyword, value in schema.items() if keyword not in _SECTIONS}
    references[""] = _references(root)
    return references


def _references(schema: Any) -> set[str]:
    """Return the names of the definitions that a schema refers to, however deep."""
    return {name.decode() for name in _REFERENCE.findall(msgspec.json.encode(schema))}
