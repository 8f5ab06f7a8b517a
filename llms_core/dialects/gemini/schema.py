"""Gemini's dialect of schemas, which is that of OpenAPI 3.0, as JSON schemas: https://ai.google.dev/api/caching#Schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

_TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})
#: Numbers that Google's JSON has as text.
_COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
_MAX_DIGITS = 18
_RENAMED = {"ref": "$ref", "defs": "$defs"}
#: Keywords with one schema, with a list of them, and with schemas by name.
_ONE = ("items", "additionalProperties", "not")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_MAPS = ("properties", "$defs", "definitions")


def json_schema(schema: Json) -> Json:
    """Return a schema as a JSON schema. It is changed in place, and may be one already.

    The walk is iterative, so that a deeply nested schema of a client does not exceed the recursion limit.
    """
    pending = [schema]
    while pending:
        node = pending.pop()
        _translate(node)
        pending += _parts(node)
    return schema


def _translate(node: Json) -> None:
    for old, new in _RENAMED.items():
        if old in node:
            node[new] = node.pop(old)
    reference = node.get("$ref")
    if isinstance(reference, str):
        node["$ref"] = reference.replace("#/defs/", "#/$defs/")
    node.pop("propertyOrdering", None)
    if "example" in node:
        node["examples"] = [node.pop("example")]
    if node.get("format") == "enum":
        del node["format"]
    for name in _COUNTS:
        count = node.get(name)
        if (
            isinstance(count, str)
            and count.isascii()
            and count.isdigit()
            and len(count) <= _MAX_DIGITS
        ):
            node[name] = int(count)
    _translate_type(node)


def _translate_type(node: Json) -> None:
    is_nullable = node.pop("nullable", None) is True
    kind = node.get("type")
    if isinstance(kind, str):
        kind = kind.lower()
        if kind in _TYPES:
            node["type"] = kind
        else:
            # TYPE_UNSPECIFIED
            del node["type"]
    if not is_nullable:
        return
    if isinstance(node.get("type"), str):
        node["type"] = [node["type"], "null"]
    if isinstance(node.get("anyOf"), list):
        node["anyOf"].append({"type": "null"})
    if isinstance(node.get("enum"), list):
        node["enum"].append(None)


def _parts(node: Json) -> Iterator[Json]:
    """Yield the schemas in a schema."""
    candidates: list[Any] = [node.get(name) for name in _ONE]
    for name in _LISTS:
        if isinstance(node.get(name), list):
            candidates += node[name]
    for name in _MAPS:
        if isinstance(node.get(name), dict):
            candidates += node[name].values()
    for candidate in candidates:
        if isinstance(candidate, dict):
            yield candidate
