"""The JSON schema of llms.json, for editors: `python -m llms_core.config.schema > llms_providers/llms.schema.json`."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from llms_core.config.conversion_shape import Conversions, ImageConversion
from llms_core.config.described import describe
from llms_core.config.llms_py.shape import LlmsPyBlock, LlmsPyDefaults, LlmsPyFile, LlmsPyLimits
from llms_core.config.price_shape import Cost, PriceRow
from llms_core.config.shape import (
    Modalities,
    ModelEntry,
    Parameters,
    TokenLimits,
)
from llms_core.openai_compatible import OPENAI_COMPATIBLE

DIALECT = "https://json-schema.org/draft/2020-12/schema"

#: An unknown member of these is a mistake.
CLOSED = (LlmsPyFile, LlmsPyLimits, PriceRow, Conversions, ImageConversion)

# Types whose blocks have no members of their own: the general one, and those of llms.py 2, such as OpenAiProvider.
# Any other type may be a plugin's, with members that the schema does not know.
_CLOSED_TYPES = rf"^({OPENAI_COMPATIBLE.name}|\w+Provider)$"


def schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) of what llms.json may contain, llms.py's formats included."""
    (top,), definitions = msgspec.json.schema_components([LlmsPyFile])
    for struct in CLOSED:
        definitions[struct.__name__]["additionalProperties"] = False
    _close_block(definitions[LlmsPyBlock.__name__])
    describe(
        definitions,
        (*CLOSED, LlmsPyBlock, LlmsPyDefaults, ModelEntry, Cost, TokenLimits, Modalities),
    )
    for definition in definitions.values():
        drop_null_defaults(definition)
    return {"$schema": DIALECT, "title": "llms.json", **top, "$defs": definitions}


def rendered() -> str:
    """Return the schema as the text of its file."""
    return as_text(schema())


def as_text(document: dict[str, Any]) -> str:
    """Return a schema as the text of a file."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _close_block(block: dict[str, Any]) -> None:
    """Allow no unknown member in blocks of closed types, and check the parameters in `force` like those beside it."""
    properties = block["properties"]
    block["if"] = {"properties": {"type": {"pattern": _CLOSED_TYPES}}}
    block["then"] = {"propertyNames": {"enum": list(properties)}}
    parameters = {name: properties[name] for name in Parameters.__struct_fields__}
    properties["force"] = {
        "description": properties["force"]["description"],
        "anyOf": [{"type": "object", "properties": parameters}, {"type": "null"}],
    }


def drop_null_defaults(definition: dict[str, Any]) -> None:
    """Remove `"default": null`, which editors would offer to insert, and the defaults of whole tables."""
    for member in definition["properties"].values():
        if "$ref" in member or member.get("default", "") is None:
            member.pop("default", None)


if __name__ == "__main__":
    sys.stdout.write(rendered())
