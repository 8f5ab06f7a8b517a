"""Tools, `tool_choice` and `response_format` in Anthropic's terms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from llms_core.contracts.tools import (
    JSON_INSTRUCTION,
    Function,
    JsonSchema,
    json_schema,
    tool_choice,
)
from llms_core.errors import RequestError, Unsupported
from llms_providers.anthropic.blocks import ANSWER_TOOL, Block, text_block
from llms_providers.anthropic.draft import Draft
from llms_providers.anthropic.schema import UnsupportedSchema, close_schema

#: Types of the tools that Anthropic runs or defines itself; they end in the date of their version.
_SERVER_TOOL = re.compile(r"_20\d{6}$|^mcp_toolset$")

#: A request with more strict tools than this is rejected.
_MAX_STRICT_TOOLS = 20

_CHOICE_TYPES = {"auto": "auto", "none": "none", "required": "any"}

_ANSWER_DESCRIPTION = "Give the final answer to the user, as this tool's input"


class _Tool(msgspec.Struct):
    """One of the client's tools, with the members that Anthropic adds to OpenAI's.

    `llms_core.contracts.tools.functions` has neither these members nor tools of other types.
    """

    type: str = "function"
    function: Function | None = None
    cache_control: dict[str, Any] | None = None
    defer_loading: bool | None = None
    allowed_callers: list[str] | None = None
    input_examples: list[dict[str, Any]] | None = None
    eager_input_streaming: bool | None = None


# Members of `_Tool` that are copied.
_TOOL_MEMBERS = (
    "cache_control",
    "defer_loading",
    "allowed_callers",
    "input_examples",
    "eager_input_streaming",
)


def add_tools(draft: Draft) -> None:
    """Add the client's tools. Raises Unsupported for tools that are neither functions nor Anthropic's own."""
    tools: list[Block] = []
    for number, raw in enumerate(draft.call.request.tools or ()):
        tools.append(_tool(raw, draft, param=f"tools[{number}]"))
    if sum("strict" in tool for tool in tools) > _MAX_STRICT_TOOLS:
        for tool in tools:
            tool.pop("strict", None)
    if tools:
        draft.body["tools"] = tools


def _tool(raw: msgspec.Raw, draft: Draft, *, param: str) -> Block:
    try:
        tool = msgspec.json.decode(raw, type=_Tool)
    except msgspec.ValidationError as error:
        message = f"Invalid value for '{param}': {error}"
        raise RequestError(message, param=param, code="invalid_value") from None
    if tool.type == "function" and tool.function is not None:
        return _function_tool(tool, tool.function, draft)
    if _SERVER_TOOL.search(tool.type):
        native: Block = msgspec.json.decode(raw)
        return native
    raise Unsupported(f"Claude does not support tools of type '{tool.type}'", param=f"{param}.type")


def _function_tool(tool: _Tool, function: Function, draft: Draft) -> Block:
    block: Block = {"name": draft.names.to_provider(function.name)}
    if function.description is not None:
        block["description"] = function.description
    block["input_schema"] = _input_schema(function.parameters or {})
    if function.strict and draft.family.structured_outputs:
        _make_strict(block)
    for name in _TOOL_MEMBERS:
        value = getattr(tool, name)
        if value is not None:
            block[name] = value
    return block


def _make_strict(block: Block) -> None:
    """Have Anthropic guarantee that the arguments match the schema, if it can."""
    try:
        schema = close_schema(block["input_schema"])
    except UnsupportedSchema:
        # The model still sees the schema, only without the guarantee.
        return
    block["input_schema"] = schema
    block["strict"] = True


def _input_schema(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a tool's input, whose top level Anthropic requires to be an object."""
    if parameters.get("type") == "object":
        return dict(parameters)
    return {**parameters, "type": "object"}


def add_response_format(draft: Draft) -> None:
    """Apply `response_format`. Raises Unsupported if the model cannot be held to the JSON schema."""
    wanted = json_schema(draft.call)
    if wanted is not None:
        _add_json_schema(draft, wanted)
        return
    response_format = draft.call.request.response_format
    if response_format is not None and response_format.type == "json_object":
        # Anthropic has no mode for arbitrary JSON objects.
        draft.system.append(text_block(JSON_INSTRUCTION))


def _add_json_schema(draft: Draft, wanted: JsonSchema) -> None:
    """Use structured outputs if the model and the schema allow it, else a tool whose input is the answer."""
    reason = "the model has no structured outputs"
    if draft.family.structured_outputs:
        try:
            schema = close_schema(wanted.schema)
        except UnsupportedSchema as error:
            reason = str(error)
        else:
            draft.output_config["format"] = {"type": "json_schema", "schema": schema}
            return
    if not draft.family.forced_tool_calls:
        raise Unsupported(
            f"Claude cannot guarantee this JSON schema: {reason}", param="response_format"
        )
    choice = tool_choice(draft.call)
    if choice is not None and choice.mode == "required":
        # The answer will be a call of one of the client's tools, so the schema does not apply.
        return
    answer_tool = {
        "name": ANSWER_TOOL,
        "description": wanted.description or _ANSWER_DESCRIPTION,
        "input_schema": _input_schema(wanted.schema),
    }
    draft.body["tools"] = [*draft.body.get("tools", ()), answer_tool]


def add_tool_choice(draft: Draft) -> None:
    """Apply `tool_choice` and `parallel_tool_calls`, and make sure that the answer tool is called.

    Raises Unsupported if the model cannot be forced to call a tool, RequestError if there is no tool to call.
    """
    choice = tool_choice(draft.call)
    if "tools" not in draft.body:
        if choice is not None and choice.mode == "required":
            message = "'tool_choice' requires a tool call, but the request has no 'tools'"
            raise RequestError(message, param="tool_choice")
        _declare_called_tools(draft)
        return
    mode = "auto"
    names: tuple[str, ...] = ()
    if choice is not None:
        mode = choice.mode
        names = tuple(map(draft.names.to_provider, choice.names))
    if len(names) > 1 or (names and mode == "auto"):
        # OpenAI's `allowed_tools`. Anthropic can be limited to one tool at most, so the others are not sent.
        _keep_tools(draft, names)
        names = ()
    tools: list[Block] = draft.body["tools"]
    if tools and tools[-1].get("name") == ANSWER_TOOL:
        # The model must not answer in text. It may call one of the client's tools first unless that is ruled out.
        other_tools_allowed = mode == "auto" and len(tools) > 1
        names = () if other_tools_allowed else (ANSWER_TOOL,)
        mode = "required"
    if mode == "required" and not draft.family.forced_tool_calls:
        raise Unsupported("This model cannot be forced to call a tool", param="tool_choice")
    anthropic_choice = _anthropic_choice(draft, mode, names)
    if choice is not None or anthropic_choice != {"type": "auto"}:
        draft.body["tool_choice"] = anthropic_choice


def _anthropic_choice(draft: Draft, mode: str, names: tuple[str, ...]) -> Block:
    choice: Block = {"type": _CHOICE_TYPES[mode]}
    if names:
        choice = {"type": "tool", "name": names[0]}
    if mode != "none" and draft.parameters.get("parallel_tool_calls") is False:
        choice["disable_parallel_tool_use"] = True
    return choice


def _keep_tools(draft: Draft, names: tuple[str, ...]) -> None:
    """Remove all tools except those with these names and the answer tool."""
    kept = {*names, ANSWER_TOOL}
    draft.body["tools"] = [tool for tool in draft.body["tools"] if tool.get("name") in kept]


def _declare_called_tools(draft: Draft) -> None:
    """Declare the tools that the conversation calls: Anthropic rejects calls of tools that the request lacks."""
    names: set[str] = set()
    for turn in draft.turns:
        for block in turn["content"]:
            if block["type"] == "tool_use":
                names.add(str(block.get("name")))
    if not names:
        return
    draft.body["tools"] = [
        {"name": name, "input_schema": {"type": "object"}} for name in sorted(names)
    ]
    # The client offers no tools, so none may be called.
    draft.body["tool_choice"] = {"type": "none"}
