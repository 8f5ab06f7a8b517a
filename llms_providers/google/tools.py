"""Translates `tools`, `tool_choice` and JSON schemas into Gemini's `tools` and `toolConfig`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from llms_core.contracts.function_names import FunctionNames
from llms_core.contracts.request import ChatCall
from llms_core.contracts.tools import Function, ToolChoice, functions_of, tool_choice
from llms_providers.google.models import thinking_control
from llms_providers.google.output_format import OutputFormat, output_format
from llms_providers.google.schema import adapt_schema

Json = dict[str, Any]

_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}


def tools_and_config(
    call: ChatCall, names: FunctionNames, requested_config: Json
) -> tuple[list[Json], Json, OutputFormat]:
    """Return `tools`, `toolConfig`, and how the format of the answer is imposed beside them.

    `requested_config` is the client's own `toolConfig`, which wins. Raises Unsupported for a tool that is neither a
    function nor one of Google's built-in tools, and RequestError for an invalid tool or `tool_choice`.
    """
    tools, function_tools = _split_tools(call)
    functions = functions_of(function_tools)
    if call.get("web_search_options") is not None:
        tools.append({"googleSearch": {}})

    choice = tool_choice(call)
    declared = _declared_functions(functions, choice)
    may_be_called = bool(declared) and (choice is None or choice.mode != "none")
    output = output_format(call, has_functions=may_be_called, has_built_in_tools=bool(tools))
    if output.config and not may_be_called:
        # Some models reject JSON output beside functions even if none may be called.
        functions = declared = []
    declarations = [_declaration(function, names) for function in declared]
    if output.tool is not None:
        declarations.append(_declaration(output.tool, names))
    if declarations:
        tools.append({"functionDeclarations": declarations})

    config: Json = {}
    if output.tool is not None:
        config["functionCallingConfig"] = {"mode": "ANY"}
    elif functions:
        calling = _function_calling_config(call, names, declared, choice)
        if calling:
            config["functionCallingConfig"] = calling
    return tools, {**config, **requested_config}, output


def _split_tools(call: ChatCall) -> tuple[list[Json], list[msgspec.Raw]]:
    """Separate Google's built-in tools, decoded, from OpenAI's, which stay raw."""
    built_in: list[Json] = []
    others: list[msgspec.Raw] = []
    for raw in call.request.tools or ():
        tool = msgspec.json.decode(raw)
        if _is_built_in(tool):
            built_in.append(tool)
        else:
            others.append(raw)
    return built_in, others


def _is_built_in(tool: object) -> bool:
    """Return whether a tool is one of Google's, which are objects keyed by the tool's name: `{"googleSearch": {}}`."""
    if not isinstance(tool, dict) or not tool:
        return False
    return "type" not in tool and "function" not in tool


def _declared_functions(functions: list[Function], choice: ToolChoice | None) -> list[Function]:
    """Return the functions that the model gets to see."""
    if choice is None or not choice.names or choice.mode == "required":
        return functions
    # `allowedFunctionNames` is not accepted with mode AUTO: an optional choice among some of the functions can only be
    # expressed by leaving out the others.
    allowed = frozenset(choice.names)
    return [function for function in functions if function.name in allowed]


def _function_calling_config(
    call: ChatCall, names: FunctionNames, declared: Sequence[Function], choice: ToolChoice | None
) -> Json:
    if _validates_calls(call, declared, choice):
        # Gemini's counterpart of OpenAI's `strict`. It applies to all functions or none.
        return {"mode": "VALIDATED"}
    if choice is None:
        return {}
    config: Json = {"mode": _MODES[choice.mode]}
    if choice.names and choice.mode == "required":
        config["allowedFunctionNames"] = [names.to_provider(name) for name in choice.names]
    return config


def _validates_calls(
    call: ChatCall, declared: Sequence[Function], choice: ToolChoice | None
) -> bool:
    if not declared or not all(function.strict for function in declared):
        return False
    if choice is not None and choice.mode != "auto":
        return False
    # Models before Gemini 2.5 do not have the mode.
    return thinking_control(call) != "none"


def _declaration(function: Function, names: FunctionNames) -> Json:
    declaration: Json = {"name": names.to_provider(function.name)}
    if function.description is not None:
        declaration["description"] = function.description
    if function.parameters:
        declaration["parametersJsonSchema"] = adapt_schema(function.parameters)
    return declaration
