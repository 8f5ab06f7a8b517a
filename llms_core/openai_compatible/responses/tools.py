"""Tools, `tool_choice` and `response_format` as the Responses API has them: without a member of their own."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from llms_core.contracts.function_names import FunctionNames
from llms_core.contracts.json import ABSENT, UNREADABLE, is_null
from llms_core.contracts.request import ChatCall
from llms_core.errors import RequestError
from llms_core.openai_compatible.responses.views import Json

T = TypeVar("T")


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    #: a JSON schema, which is sent as the client wrote it
    parameters: Raw = ABSENT
    strict: bool | None = None


class _Custom(msgspec.Struct):
    name: str
    description: str | None = None
    format: Json | None = None


class _Tool(msgspec.Struct):
    type: str = "function"
    function: _Function | None = None
    custom: _Custom | None = None


class _JsonSchema(msgspec.Struct):
    name: str = "response"
    schema: Raw = ABSENT
    description: str | None = None
    strict: bool | None = None


class _Format(msgspec.Struct):
    type: str
    json_schema: _JsonSchema | None = None


#: The parameters of a function that takes none.
_NO_PARAMETERS: Json = {"type": "object", "properties": {}}


def tools_of(call: ChatCall, names: FunctionNames) -> list[Json | Raw]:
    """Return the tools. Those of types that chat has not are passed on as they are: the provider may run them itself.

    Raises RequestError, which names the tool.
    """
    return [
        _tool(raw, f"tools[{number}]", names) for number, raw in enumerate(call.request.tools or ())
    ]


def _tool(raw: Raw, param: str, names: FunctionNames) -> Json | Raw:
    tool = _decode(raw, _Tool, param)
    match tool.type:
        case "function" if tool.function is not None:
            return _function(tool.function, names)
        case "custom" if tool.custom is not None:
            return _custom(tool.custom)
        case "function" | "custom":
            missing = f"{param}.{tool.type}"
            message = f"Missing required parameter: '{missing}'"
            raise RequestError(message, param=missing, code="missing_required_parameter")
    return raw


def _function(function: _Function, names: FunctionNames) -> Json:
    has_parameters = bool(function.parameters) and not is_null(function.parameters)
    tool: Json = {
        "type": "function",
        "name": names.to_provider(function.name),
        "parameters": function.parameters if has_parameters else _NO_PARAMETERS,
        # In this API the default is true, and a schema that is not strict would be refused.
        "strict": bool(function.strict),
    }
    if function.description is not None:
        tool["description"] = function.description
    return tool


def _custom(custom: _Custom) -> Json:
    tool: Json = {"type": "custom", "name": custom.name}
    if custom.description is not None:
        tool["description"] = custom.description
    match custom.format:
        case {"type": "grammar", "grammar": dict(grammar)}:
            tool["format"] = {"type": "grammar", **grammar}
        case dict(given):
            tool["format"] = given
    return tool


def tool_choice_of(call: ChatCall, names: FunctionNames) -> Any:
    """Return `tool_choice`; None if the request has none."""
    choice = call.get("tool_choice")
    match choice:
        case {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": list(tools)}}:
            return {
                "type": "allowed_tools",
                "mode": mode,
                "tools": [_chosen(tool, names) for tool in tools],
            }
        case _:
            return _chosen(choice, names)


def _chosen(choice: Any, names: FunctionNames) -> Any:
    """Return a choice with the name of its tool at the top."""
    match choice:
        case {"type": "function", "function": {"name": str(name)}}:
            return {"type": "function", "name": names.to_provider(name)}
        case {"type": "custom", "custom": {"name": name}}:
            return {"type": "custom", "name": name}
    return choice


def web_search_of(call: ChatCall) -> Json | None:
    """Return the tool that `web_search_options` stand for; None if the request has none."""
    options = call.get("web_search_options")
    if not isinstance(options, dict):
        return None
    tool: Json = {"type": "web_search", **options}
    match options.get("user_location"):
        case {"approximate": dict(place)}:
            tool["user_location"] = {"type": "approximate", **place}
    return tool


def format_of(call: ChatCall) -> Json | None:
    """Return `response_format` as `text.format`; None if the request has none."""
    if call.request.response_format is None:
        return None
    given = _decode(call.members["response_format"], _Format, "response_format")
    if given.type != "json_schema" or given.json_schema is None:
        return {"type": given.type}
    schema = given.json_schema
    members: Json = {
        "type": given.type,
        "name": schema.name,
        "schema": schema.schema or _NO_PARAMETERS,
    }
    if schema.description is not None:
        members["description"] = schema.description
    if schema.strict is not None:
        members["strict"] = schema.strict
    return members


def _decode(raw: Raw, type_: type[T], param: str) -> T:
    try:
        return msgspec.json.decode(raw, type=type_)
    except UNREADABLE as error:
        raise RequestError(
            f"Invalid value for '{param}': {error}", param=param, code="invalid_value"
        ) from None
