"""JSON schemas as Anthropic's structured outputs and strict tools accept them.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs lists the supported keywords.
"""

from __future__ import annotations

from typing import Any

import msgspec

from llms_core.contracts.schema_references import Schema, is_recursive

# Keywords whose value is a list of schemas, and those whose value maps names to schemas.
_SCHEMA_LISTS = ("anyOf", "allOf", "oneOf")
_SCHEMA_MAPS = ("properties", "$defs", "definitions")

# Keywords that are copied, whatever their value.
_SUPPORTED = frozenset({
    "$schema",
    "$ref",
    "const",
    "default",
    "description",
    "enum",
    "required",
    "title",
    "type",
})  # fmt: skip

# Keywords that are supported with some values only.
_SUPPORTED_FORMATS = frozenset({
    "date-time",
    "time",
    "date",
    "duration",
    "email",
    "hostname",
    "uri",
    "ipv4",
    "ipv6",
    "uuid",
})  # fmt: skip
_SUPPORTED_MIN_ITEMS = ("0", "1")


class UnsupportedSchema(ValueError):
    """The schema allows values that structured outputs cannot describe."""


def close_schema(schema: Schema) -> Schema:
    """Return a copy of `schema` whose objects allow no further members.

    Constraints that structured outputs do not support are moved into descriptions. Whatever matches the result also
    matches `schema`, except for these constraints. Raises UnsupportedSchema.
    """
    if is_recursive(schema):
        raise UnsupportedSchema("it is recursive")
    try:
        return _close(schema)
    except RecursionError:
        raise UnsupportedSchema("it is nested too deeply") from None


def _close(schema: Any) -> Schema:
    # `true` and `false` are schemas, too.
    if not isinstance(schema, dict):
        raise UnsupportedSchema("part of it allows any value")
    closed: Schema = {}
    constraints: list[str] = []
    for keyword, value in schema.items():
        if keyword in _SCHEMA_MAPS and isinstance(value, dict):
            closed[keyword] = {name: _close(subschema) for name, subschema in value.items()}
        elif keyword in _SCHEMA_LISTS and isinstance(value, list):
            # `oneOf` is not supported; `anyOf` allows the same values unless the alternatives overlap.
            supported = "anyOf" if keyword == "oneOf" else keyword
            closed[supported] = [_close(subschema) for subschema in value]
        elif keyword == "items":
            closed[keyword] = _close(value)
        elif _is_supported(keyword, value):
            closed[keyword] = value
        elif keyword != "additionalProperties":
            constraints.append(_describe(keyword, value))
    _close_object(closed, schema.get("additionalProperties"))
    _add_to_description(closed, constraints)
    return closed


def _is_supported(keyword: str, value: Any) -> bool:
    if keyword == "format":
        return str(value) in _SUPPORTED_FORMATS
    if keyword == "minItems":
        return str(value) in _SUPPORTED_MIN_ITEMS
    return keyword in _SUPPORTED


def _describe(keyword: str, value: Any) -> str:
    if isinstance(value, str):
        return f"{keyword}: {value}"
    return f"{keyword}: {msgspec.json.encode(value).decode()}"


def _close_object(closed: Schema, additional: Any) -> None:
    """Set `additionalProperties` to false, which structured outputs require of every object.

    `additional` is its original value. Raises UnsupportedSchema if the names of the members are open.
    """
    if isinstance(additional, dict):
        raise UnsupportedSchema("an object in it has members of any name")
    if "properties" not in closed and "object" not in _types(closed):
        return
    if not closed.get("properties") and additional is not False:
        raise UnsupportedSchema("an object in it has members of any name")
    closed["additionalProperties"] = False


def _types(schema: Schema) -> list[Any]:
    types = schema.get("type")
    if isinstance(types, list):
        return types
    return [types]


def _add_to_description(closed: Schema, constraints: list[str]) -> None:
    """Tell the model about constraints that it cannot be held to."""
    if not constraints:
        return
    note = f"{{{', '.join(constraints)}}}"
    if closed.get("description"):
        note = f"{closed['description']}\n\n{note}"
    closed["description"] = note
