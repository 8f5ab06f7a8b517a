"""Tools, `toolConfig` and the format of the answer in chat's terms.

Tools other than functions are run by Google: no other provider has them. They are left out with notice where that is
so, and refused if the request forces their use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Raw

from llms_core.contracts.extras import Extra
from llms_core.contracts.json import decode_members, encode_raw, is_null
from llms_core.dialects.gemini.model_turn import GOOGLE
from llms_core.dialects.gemini.request import (
    FunctionCallingConfig,
    FunctionDeclaration,
    GenerateContentRequest,
    GenerationConfig,
    invalid,
    is_set,
    read,
)
from llms_core.dialects.gemini.schema import json_schema
from llms_core.dialects.strict_schema import fits_strict_mode

Json = dict[str, Any]

_FUNCTIONS = "functionDeclarations"
_CALLING = "functionCallingConfig"
#: The name of the schema in `response_format`, which Google's has not.
_SCHEMA_NAME = "response"

_JSON = "application/json"
_ENUM = "text/x.enum"
_TEXT = "text/plain"


def add_tools(
    view: GenerateContentRequest, raw_config: Raw, members: Json, extras: dict[str, Extra]
) -> None:
    """Add `tools` and `tool_choice`. Raises RequestError, which names the member."""
    functions: list[Json] = []
    hosted: list[tuple[str, Raw]] = []
    for number, tool in enumerate(view.tools or ()):
        for name, value in tool.items():
            if name == _FUNCTIONS and is_set(value):
                declared = read(value, list[FunctionDeclaration], f"tools[{number}].{name}")
                functions += [_function(each, f"tools[{number}].{name}") for each in declared]
            elif name != _FUNCTIONS and is_set(value):
                hosted.append((name, value))
    config = (
        view.tool_config.function_calling_config if view.tool_config is not None else None
    ) or (FunctionCallingConfig())
    mode = _mode(config)
    if mode == "ANY" and not (functions or hosted):
        raise invalid(f"toolConfig.{_CALLING}.mode", "ANY needs functions in 'tools'")
    offered = _allowed(functions, config) if functions else []
    if offered:
        members["tools"] = offered
        choice = _choice(mode, offered, config)
        if choice is not None:
            members["tool_choice"] = choice
    if hosted:
        _add_hosted(hosted, offered, is_forced=mode == "ANY" and not functions, extras=extras)
    _add_config(raw_config, extras)


def _function(declaration: FunctionDeclaration, param: str) -> Json:
    function: Json = {"name": declaration.name}
    if declaration.description is not None:
        function["description"] = declaration.description
    if is_set(declaration.parameters_json_schema):
        if not bytes(declaration.parameters_json_schema).startswith(b"{"):
            raise invalid(
                f"{param}.parametersJsonSchema", "expected a JSON schema, which is an object"
            )
        function["parameters"] = declaration.parameters_json_schema
    elif declaration.parameters is not None:
        function["parameters"] = json_schema(declaration.parameters)
    return {"type": "function", "function": function}


def _mode(config: FunctionCallingConfig) -> str:
    match (config.mode or "AUTO").upper():
        case "MODE_UNSPECIFIED" | "AUTO" | "VALIDATED":
            return "AUTO"
        case "ANY" | "NONE" as mode:
            return mode
    raise invalid(f"toolConfig.{_CALLING}.mode", "expected AUTO, ANY, NONE or VALIDATED")


def _allowed(functions: Sequence[Json], config: FunctionCallingConfig) -> list[Json]:
    """Return the functions that the model may call. Few providers can be told to choose among some of them."""
    names = dict.fromkeys(config.allowed_function_names or ())
    if not names:
        return list(functions)
    known = {function["function"]["name"] for function in functions}
    for number, name in enumerate(names):
        if name not in known:
            param = f"toolConfig.{_CALLING}.allowedFunctionNames[{number}]"
            raise invalid(param, "no function in 'tools' has this name")
    return [function for function in functions if function["function"]["name"] in names]


def _choice(mode: str, offered: Sequence[Json], config: FunctionCallingConfig) -> str | Json | None:
    match mode:
        case "NONE":
            return "none"
        case "ANY" if config.allowed_function_names and len(offered) == 1:
            return {"type": "function", "function": {"name": offered[0]["function"]["name"]}}
        case "ANY":
            return "required"
    return None


def _add_hosted(
    hosted: Sequence[tuple[str, Raw]],
    functions: Sequence[Json],
    *,
    is_forced: bool,
    extras: dict[str, Extra],
) -> None:
    """Leave Google's tools to its adapter, beside the functions."""
    native: Json = {"tools": [*functions, *({name: value} for name, value in hosted)]}
    for name, _ in hosted:
        required = ""
        if is_forced:
            required = f"'toolConfig' forces the tool '{name}', which this provider does not have"
        extras[f"tools.{name}"] = Extra({GOOGLE: native}, required)
        # The list is sent once.
        native = {}


def _add_config(raw_config: Raw, extras: dict[str, Extra]) -> None:
    """Leave what chat has no member for to Google's adapter: the configuration of its own tools."""
    if not is_set(raw_config):
        return
    others = {name: value for name, value in decode_members(raw_config).items() if name != _CALLING}
    for name in others:
        extras[f"toolConfig.{name}"] = Extra({GOOGLE: {"toolConfig": others}})


def add_output_format(config: GenerationConfig, members: Json, others: dict[str, Raw]) -> None:
    """Add `response_format`; what is a format of Google's alone is added to the `others`."""
    mime_type = config.response_mime_type or ""
    if config.response_json_schema is not None:
        schema: Json | None = config.response_json_schema
    else:
        schema = config.response_schema
    match mime_type:
        case "" | "text/plain" if schema is None:
            return
        case "text/x.enum":
            others["responseMimeType"] = encode_raw(mime_type)
            if schema is not None:
                others["responseSchema"] = encode_raw(schema)
            return
        case "" | "application/json":
            members["response_format"] = _response_format(config, schema)
            return
    problem = f"expected {_JSON}, {_ENUM}, or {_TEXT} without a schema"
    raise invalid("generationConfig.responseMimeType", problem)


def _response_format(config: GenerationConfig, schema: Json | None) -> Json:
    if schema is None:
        return {"type": "json_object"}
    if config.response_json_schema is None:
        schema = json_schema(schema)
    described: Json = {"name": _SCHEMA_NAME, "schema": schema}
    if fits_strict_mode(schema):
        described["strict"] = True
    return {"type": "json_schema", "json_schema": described}


def without_null(members: dict[str, Raw]) -> dict[str, Raw]:
    """Return the members of an object that are not null."""
    return {name: value for name, value in members.items() if not is_null(value)}
