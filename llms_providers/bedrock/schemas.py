"""Which JSON schemas Bedrock's structured output accepts.

https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html
"""

from __future__ import annotations

from typing import Any

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
    return isinstance(schema, dict) and _Check(schema).accepts(schema, ())


class _Check:
    """The check of one schema. Each definition is checked once, however often it is referred to."""

    def __init__(self, schema: Json):
        self._schema = schema
        self._accepted_references: set[str] = set()

    def accepts(self, part: object, open_references: tuple[str, ...]) -> bool:
        """Whether a part of the schema is supported. `open_references` lead to it: one of them again is recursion."""
        if not isinstance(part, dict):
            return False
        if not all(_is_supported_keyword(name, value) for name, value in part.items()):
            return False
        reference = part.get("$ref")
        if reference is not None and not self._accepts_reference(reference, open_references):
            return False
        if _is_object(part) and part.get("additionalProperties") is not False:
            return False
        children = _children(part)
        if children is None:
            return False
        return all(self.accepts(child, open_references) for child in children)

    def _accepts_reference(self, reference: str, open_references: tuple[str, ...]) -> bool:
        """Whether a `$ref` such as "#/$defs/City" leads to a supported definition."""
        section, _, name = str(reference).removeprefix("#/").partition("/")
        if section not in ("$defs", "definitions"):
            return False
        definitions = self._schema.get(section)
        if not isinstance(definitions, dict) or reference in open_references:
            return False
        if reference in self._accepted_references:
            return True
        if not self.accepts(definitions.get(name), (*open_references, reference)):
            return False
        self._accepted_references.add(reference)
        return True


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
