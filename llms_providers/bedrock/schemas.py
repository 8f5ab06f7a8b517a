"""Which JSON schemas Bedrock's structured output accepts.

https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html
"""

from __future__ import annotations

from typing import Any

from llms_core.contracts.schema_references import is_recursive

Json = dict[str, Any]

#: Keywords that structured output rejects.
_UNSUPPORTED_KEYWORDS = frozenset(
    {
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "uniqueItems",
        "contains",
        "prefixItems",
        "minProperties",
        "maxProperties",
        "patternProperties",
        "propertyNames",
        "dependentRequired",
        "dependentSchemas",
        "not",
        "if",
        "oneOf",
    }
)
#: Exceptions: keywords that it accepts with one value.
_SUPPORTED_VALUES = {"minLength": 1, "minItems": 1}


def is_supported(schema: object) -> bool:
    """Whether structured output accepts a JSON schema.

    Every object has to be closed (`additionalProperties: false`), nothing may be recursive, and references may only
    lead to the schema's own definitions.
    """
    if not isinstance(schema, dict) or is_recursive(schema):
        return False
    # Definitions are checked once, however often they are referred to.
    checked_references: set[str] = set()
    pending: list[object] = [schema]
    while pending:
        part = pending.pop()
        if not isinstance(part, dict) or not _accepts(part):
            return False
        children = _children(part)
        if children is None:
            return False
        pending += children
        reference = part.get("$ref")
        if reference is not None and str(reference) not in checked_references:
            checked_references.add(str(reference))
            pending.append(_definition(schema, str(reference)))
    return True


def _accepts(part: Json) -> bool:
    """Whether a part of the schema is supported, apart from what is inside it."""
    if not all(_is_supported_keyword(name, value) for name, value in part.items()):
        return False
    return not _is_object(part) or part.get("additionalProperties") is False


def _definition(schema: Json, reference: str) -> object:
    """Return the definition that a `$ref` such as "#/$defs/City" leads to; None if it leads elsewhere."""
    section, _, name = reference.removeprefix("#/").partition("/")
    definitions = schema.get(section)
    if section not in ("$defs", "definitions") or not isinstance(definitions, dict):
        return None
    return definitions.get(name)


def _is_supported_keyword(name: str, value: object) -> bool:
    if name not in _UNSUPPORTED_KEYWORDS:
        return True
    # null, the default of `get`, is accepted: it restricts nothing.
    return value == _SUPPORTED_VALUES.get(name)


def _is_object(part: Json) -> bool:
    types = part.get("type")
    if "properties" in part:
        return True
    return "object" in types if isinstance(types, list) else types == "object"


def _children(part: Json) -> list[object] | None:
    """Return the schemas directly inside a schema; None if a keyword that holds them has the wrong type."""
    properties = part.get("properties", {})
    if not isinstance(properties, dict):
        return None
    children = list(properties.values())
    if "items" in part:
        children.append(part["items"])
    for keyword in ("anyOf", "allOf"):
        alternatives = part.get(keyword, [])
        if not isinstance(alternatives, list):
            return None
        children += alternatives
    return children
