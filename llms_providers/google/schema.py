"""JSON schemas as Gemini accepts them: https://ai.google.dev/api/generate-content#FIELDS.response_json_schema."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_OLD_DEFINITIONS = "#/definitions/"
_DEFINITIONS = "#/$defs/"


def adapt_schema(schema: Json) -> Json:
    """Adapt a JSON schema to the keywords that Gemini knows, in place, and return it.

    The schema must have been decoded for this request: it is modified. The walk is iterative, so that a deeply nested
    schema of a client does not exceed the recursion limit.
    """
    _rename_definitions(schema)
    _replace_reference_at_root(schema)
    pending: list[Any] = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            # A keyword may also be the name of a property, and its value a schema: hence the checks of types.
            if type(node.get("const")) in (str, int, float):
                # Gemini ignores `const`.
                node["enum"] = [node.pop("const")]
            if isinstance(node.get("$ref"), str):
                _isolate_reference(node)
            pending += node.values()
        elif isinstance(node, list):
            pending += node
    return schema


def _rename_definitions(schema: Json) -> None:
    """Move `definitions`, the keyword of older drafts, to `$defs`."""
    if isinstance(schema.get("definitions"), dict):
        definitions = schema.pop("definitions")
        schema["$defs"] = {**definitions, **schema.get("$defs", {})}


def _replace_reference_at_root(schema: Json) -> None:
    """Replace a reference that is the whole schema by what it refers to: the parameters of a function are an object."""
    seen = set()
    while isinstance(schema.get("$ref"), str) and schema["$ref"] not in seen:
        seen.add(schema["$ref"])
        name = schema["$ref"].removeprefix(_OLD_DEFINITIONS).removeprefix(_DEFINITIONS)
        target = schema.get("$defs", {}).get(name)
        if not isinstance(target, dict):
            return
        del schema["$ref"]
        for keyword, value in target.items():
            schema.setdefault(keyword, value)


def _isolate_reference(node: Json) -> None:
    """Gemini accepts nothing beside a `$ref` but other keywords that begin with `$`."""
    reference = node["$ref"]
    if reference.startswith(_OLD_DEFINITIONS):
        reference = _DEFINITIONS + reference.removeprefix(_OLD_DEFINITIONS)
        node["$ref"] = reference
    siblings = [keyword for keyword in node if not keyword.startswith("$")]
    if not siblings:
        return
    if "anyOf" in node:
        # Both would have to apply, which Gemini cannot express: the reference says more.
        for keyword in siblings:
            del node[keyword]
    else:
        # What describes the reference, such as its `description`, stays beside an `anyOf` of one schema.
        del node["$ref"]
        node["anyOf"] = [{"$ref": reference}]
