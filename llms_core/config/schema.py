"""JSON Schema of llms.json, for editors: `python -m llms_core.config.schema > llms_providers/llms.schema.json`."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from llms_core.config.llms_json_shape import TYPES, File, Limits, Parameters, PriceRow, ProviderBlock

#: Where an unknown member is a mistake. A provider's block is closed too, unless it is of a type that a plugin adds.
CLOSED = (File, Limits, PriceRow)


def schema() -> dict[str, Any]:
    """The schema, draft 2020-12."""
    (top,), definitions = msgspec.json.schema_components([File])
    for kind in CLOSED:
        definitions[kind.__name__]["additionalProperties"] = False
    block = definitions[ProviderBlock.__name__]
    block["if"] = {"properties": {"type": {"enum": list(TYPES)}}}
    block["then"] = {"propertyNames": {"enum": list(block["properties"])}}
    checked = {name: block["properties"][name] for name in Parameters.__struct_fields__}
    block["properties"]["force"] = {
        "description": block["properties"]["force"]["description"],
        "anyOf": [{"type": "object", "properties": checked}, {"type": "null"}],
    }
    for definition in definitions.values():
        for member in definition["properties"].values():
            if member.get("default", ...) is None:
                del member["default"]
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "title": "llms.json", **top, "$defs": definitions}


def rendered() -> str:
    """The schema as a file has it."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode() + "\n"


if __name__ == "__main__":
    sys.stdout.write(rendered())
