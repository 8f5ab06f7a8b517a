"""Tools, `tool_choice` and `output_config.format` of a Messages request in chat's terms.

Tools with dated types are run, or at least defined, by Anthropic: no other provider has them. They are left out with
notice where that is so, and refused if the request forces their use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from llms_core.contracts.extras import HINTS, Extra
from llms_core.contracts.json import is_null
from llms_core.dialects.messages.request import MessagesRequest, Tool, ToolChoice, invalid, read
from llms_core.dialects.strict_schema import fits_strict_mode

Json = dict[str, Any]

#: The owner of what only Anthropic has.
ANTHROPIC = "anthropic"

#: Members that Anthropic adds to the tools of clients; adapters take them from chat's tools.
_TOOL_MEMBERS = (
    "cache_control",
    "defer_loading",
    "allowed_callers",
    "input_examples",
    "eager_input_streaming",
)

#: The name of the schema in `response_format`, which Anthropic's has not.
_SCHEMA_NAME = "response"


def is_set(raw: Raw) -> bool:
    """Whether a raw member is present and not null."""
    return bool(raw) and not is_null(raw)


def add_tools(
    view: MessagesRequest, raw_tools: Raw, members: Json, extras: dict[str, Extra]
) -> None:
    """Add `tools`, `tool_choice` and `parallel_tool_calls`. Raises RequestError, which names the member."""
    tools = view.tools or ()
    functions = []
    server_tools: list[Tool] = []
    for number, tool in enumerate(tools):
        if tool.type in (None, "custom"):
            functions.append(_function(tool, f"tools[{number}]"))
        else:
            server_tools.append(tool)
    if functions:
        _add_functions(functions, members, extras)
    choice = view.tool_choice
    if choice is not None:
        _add_choice(choice, tools, bool(functions), members)
    if server_tools:
        _add_server_tools(server_tools, functions, raw_tools, members, extras, choice)


def _add_functions(functions: Sequence[Json], members: Json, extras: dict[str, Extra]) -> None:
    """Add the client's tools; marks that only Anthropic's have are left to adapters that look for them."""
    marks: set[str] = set()
    for function in functions:
        marks.update(name for name in function if name in _TOOL_MEMBERS)
    if not marks:
        members["tools"] = functions
        return
    members["tools"] = [
        {"type": function["type"], "function": function["function"]} for function in functions
    ]
    marked: Json = {"tools": functions}
    for name in sorted(marks):
        extras[f"tools.{name}"] = Extra({ANTHROPIC: marked, HINTS: marked})
        # The list is sent once.
        marked = {}


def _function(tool: Tool, param: str) -> Json:
    if tool.name is None:
        raise invalid(f"{param}.name", "a tool needs a name")
    function: Json = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if not bytes(tool.input_schema).lstrip().startswith(b"{"):
        raise invalid(f"{param}.input_schema", "expected a JSON schema, which is an object")
    function["parameters"] = tool.input_schema
    if tool.strict is not None:
        function["strict"] = tool.strict
    translated: Json = {"type": "function", "function": function}
    for name in _TOOL_MEMBERS:
        value = getattr(tool, name)
        if is_set(value):
            translated[name] = value
    return translated


def _add_choice(
    choice: ToolChoice, tools: Sequence[Tool], has_functions: bool, members: Json
) -> None:
    if choice.type in ("any", "tool") and not tools:
        raise invalid("tool_choice", f"the type '{choice.type}' needs 'tools'")
    if choice.type == "tool" and all(tool.name != choice.name for tool in tools):
        raise invalid("tool_choice.name", "no tool in 'tools' has this name")
    if has_functions:
        members["tool_choice"] = _choice(choice)
        if choice.disable_parallel_tool_use:
            members["parallel_tool_calls"] = False


def _choice(choice: ToolChoice) -> str | Json:
    match choice.type:
        case "any":
            return "required"
        case "tool":
            return {"type": "function", "function": {"name": choice.name}}
    return choice.type


def _add_server_tools(
    server_tools: Sequence[Tool],
    functions: Sequence[Json],
    raw_tools: Raw,
    members: Json,
    extras: dict[str, Extra],
    choice: ToolChoice | None,
) -> None:
    """Leave Anthropic's tools to the providers that have them, in the order in which the client named all tools."""
    remaining = iter(functions)
    native: Json = {}
    native["tools"] = [
        next(remaining) if tool.get("type") in (None, "custom") else tool
        for tool in msgspec.json.decode(raw_tools, type=list[dict[str, Any]])
    ]
    if choice is not None:
        native["tool_choice"] = _choice(choice)
        if choice.disable_parallel_tool_use:
            native["parallel_tool_calls"] = False
    for tool in server_tools:
        name = tool.name or str(tool.type)
        forced = choice is not None and (
            (choice.type == "tool" and choice.name == tool.name)
            or (choice.type == "any" and not functions)
        )
        required = ""
        if forced:
            required = f"'tool_choice' forces the tool '{name}' ({tool.type}), which this provider does not have"
        extras[f"tools.{name}"] = Extra({ANTHROPIC: native}, required)
        # The list is sent once.
        native = {}
    if (
        choice is not None
        and choice.type == "tool"
        and any(tool.name == choice.name for tool in server_tools)
    ):
        members.pop("tool_choice", None)


def add_output_format(view: MessagesRequest, members: Json) -> None:
    """Add `response_format`."""
    config = view.output_config
    output_format = (config.format if config is not None else None) or view.output_format
    if output_format is None:
        return
    schema = read(output_format.schema, dict[str, Any], "output_config.format.schema")
    json_schema: Json = {"name": _SCHEMA_NAME, "schema": schema}
    if fits_strict_mode(schema):
        json_schema["strict"] = True
    members["response_format"] = {"type": "json_schema", "json_schema": json_schema}
