"""Make a model follow the JSON schema of `response_format`.

Bedrock can do that for some models and schemas. For the others, the model is given a tool with the schema as its
parameters, which it has to call; the call's arguments are the answer.
"""

from __future__ import annotations

from typing import Any

import msgspec

from llms_core import Unsupported
from llms_core.contracts.request import ChatCall
from llms_core.contracts.tools import (
    JSON_INSTRUCTION,
    Function,
    JsonSchema,
    json_schema,
    tool_choice,
)
from llms_providers.bedrock import schemas
from llms_providers.bedrock.models import Family, family_of

ANSWER_TOOL = "structured_response"
"""The name of the tool whose call is the answer."""

Json = dict[str, Any]


class OutputFormat(msgspec.Struct, frozen=True):
    """How the model is made to answer in JSON. Nothing is set for plain text."""

    #: The value of `outputConfig`.
    config: Json | None = None
    #: The answer tool.
    tool: Function | None = None
    #: What to tell the model.
    instruction: str = ""


def output_format(call: ChatCall, family: Family) -> OutputFormat:
    """Return how the answer's format is imposed. Raises Unsupported for a format that the model does not have."""
    wanted = json_schema(call)
    choice = tool_choice(call)
    if wanted is None:
        return _without_schema(call, family)
    if family.has_structured_output and schemas.is_supported(wanted.schema):
        return OutputFormat(config=_output_config(wanted))
    if choice is not None and choice.mode == "required" and call.request.tools:
        # The answer is going to be a call of one of the client's tools.
        return OutputFormat()
    description = wanted.description or "Give the answer with this."
    return OutputFormat(tool=Function(ANSWER_TOOL, description, wanted.schema))


def answer_tool_of(call: ChatCall) -> str | None:
    """Return the name of the tool whose call is the answer to this call; None if the answer is text."""
    has_tool = output_format(call, family_of(call)).tool is not None
    return ANSWER_TOOL if has_tool else None


def _without_schema(call: ChatCall, family: Family) -> OutputFormat:
    response_format = call.request.response_format
    if response_format is None or response_format.type == "text":
        return OutputFormat()
    if response_format.type == "json_object" and family.vendor == "anthropic":
        # Claude has no mode for arbitrary JSON objects, but follows this reliably.
        return OutputFormat(instruction=JSON_INSTRUCTION)
    raise Unsupported(
        f"Bedrock does not support the response_format '{response_format.type}' with models of '{family.vendor}'",
        param="response_format.type",
    )


def _output_config(wanted: JsonSchema) -> Json:
    # Unlike everywhere else in Converse, the schema is JSON text.
    schema = {"schema": msgspec.json.encode(wanted.schema).decode(), "name": wanted.name}
    if wanted.description:
        schema["description"] = wanted.description
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}
