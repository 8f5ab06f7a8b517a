"""How Gemini is made to answer in JSON.

Before Gemini 3, models reject tools together with JSON output ("Function calling with a response mime type:
'application/json' is unsupported"). The answer is then the call of one more function, whose parameters are the schema.
"""

from __future__ import annotations

from typing import Any

import msgspec

from llms_core import Unsupported
from llms_core.contracts.request import ChatCall
from llms_core.contracts.tools import JSON_INSTRUCTION, Function, json_schema, tool_choice
from llms_providers.google.models import is_gemini_3_or_later
from llms_providers.google.schema import adapt_schema

Json = dict[str, Any]

ANSWER_TOOL = "answer_in_json"
"""The name of the function whose call is the answer."""

_JSON = "application/json"
_DESCRIPTION = "Give the final answer to the user, as this function's arguments"


class OutputFormat(msgspec.Struct, frozen=True):
    """How the format of the answer is imposed. Nothing is set for plain text, and at most one member otherwise."""

    #: Members of `generationConfig`.
    config: Json = {}
    #: The function that has to be called with the answer.
    tool: Function | None = None
    #: What to tell the model.
    instruction: str = ""


def output_format(call: ChatCall, *, has_functions: bool, has_built_in_tools: bool) -> OutputFormat:
    """Return how `response_format` is imposed on a request with these tools. Raises Unsupported for unknown formats."""
    requested = call.request.response_format
    if requested is None or requested.type == "text":
        return OutputFormat()
    if requested.type not in ("json_object", "json_schema"):
        message = f"Gemini does not support response_format '{requested.type}'"
        raise Unsupported(message, param="response_format.type")
    wanted = json_schema(call)
    schema = wanted.schema if wanted is not None else {}
    has_tools = has_functions or has_built_in_tools
    if not has_tools or is_gemini_3_or_later(call):
        config: Json = {"responseMimeType": _JSON}
        if schema:
            config["responseJsonSchema"] = adapt_schema(schema)
        return OutputFormat(config=config)
    choice = tool_choice(call)
    if choice is not None and choice.mode == "required":
        # The answer will be a call of one of the client's functions, so the format does not apply.
        return OutputFormat()
    if wanted is not None and schema and not has_built_in_tools:
        return OutputFormat(tool=Function(ANSWER_TOOL, wanted.description or _DESCRIPTION, schema))
    return OutputFormat(instruction=_instruction(schema))


def _instruction(schema: Json) -> str:
    if not schema:
        return JSON_INSTRUCTION
    return f"{JSON_INSTRUCTION} It has to match this JSON schema: {msgspec.json.encode(schema).decode()}"
