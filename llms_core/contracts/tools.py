"""Tools, their calls and JSON schemas of a request, decoded for adapters that translate."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal, TypeVar

import msgspec

from llms_core.contracts.request import ChatCall, Message
from llms_core.errors import RequestError, Unsupported

T = TypeVar("T")


class Function(msgspec.Struct):
    """A function that the model may call. `parameters` is a JSON schema; None means that it takes none."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class CalledFunction(msgspec.Struct):
    """What is called: `arguments` is JSON text, as the model wrote it."""

    name: str
    arguments: str = ""


class Called(msgspec.Struct):
    """A tool call of an assistant's message. `extra_content` and `provider_extra` carry signatures."""

    function: CalledFunction
    id: str = ""
    extra_content: dict[str, Any] | None = None
    provider_extra: dict[str, Any] | None = None

    def arguments(self) -> dict[str, Any]:
        """The arguments as an object; {} for none. Raises RequestError where they are no JSON object."""
        text = self.function.arguments.strip()
        if not text:
            return {}
        try:
            value = msgspec.json.decode(text)
        except msgspec.DecodeError:
            value = None
        if not isinstance(value, dict):
            name = self.function.name
            raise RequestError(f"The arguments of the tool call '{name}' are not a JSON object", param="messages")
        return value


class ToolChoice(msgspec.Struct, frozen=True):
    """`tool_choice`: `names` is what the choice is limited to, where it is; empty means any tool."""

    mode: Literal["auto", "none", "required"]
    names: tuple[str, ...] = ()


class JsonSchema(msgspec.Struct):
    """`response_format.json_schema`."""

    name: str = "response"
    schema: dict[str, Any] = {}
    description: str | None = None
    strict: bool | None = None


class _Tool(msgspec.Struct):
    type: str = "function"
    function: Function | None = None


class _JsonFormat(msgspec.Struct):
    json_schema: JsonSchema


def functions(call: ChatCall) -> list[Function]:
    """The functions among the request's `tools`. Raises Unsupported for a tool of another type."""
    return functions_of(call.request.tools or ())


def functions_of(tools: Sequence[msgspec.Raw]) -> list[Function]:
    """The functions among some raw tools. Raises Unsupported for a tool of another type."""
    found = []
    for number, raw in enumerate(tools):
        tool = _decode(raw, _Tool, f"tools[{number}]")
        if tool.type != "function" or tool.function is None:
            raise Unsupported(f"Tools of type '{tool.type}' are not supported here", param=f"tools[{number}].type")
        found.append(tool.function)
    return found


def called(message: Message) -> list[Called]:
    """The tool calls of an assistant's message."""
    return [_decode(raw, Called, "messages[].tool_calls") for raw in message.tool_calls or ()]


def tool_choice(call: ChatCall) -> ToolChoice | None:
    """`tool_choice` in any of its forms; None where the request has none. Raises RequestError for another form."""
    match call.get("tool_choice"):
        case None:
            return None
        case "auto" | "none" | "required" as mode:
            return ToolChoice(mode)
        case {"type": "function", "function": {"name": str(name)}}:
            return ToolChoice("required", (name,))
        case {"type": "allowed_tools", "allowed_tools": {"mode": "auto" | "required" as mode, "tools": list(tools)}}:
            with suppress(KeyError, TypeError):
                return ToolChoice(mode, tuple(tool["function"]["name"] for tool in tools if "function" in tool))
    raise RequestError("Invalid value for 'tool_choice'", param="tool_choice", code="invalid_value")


def json_schema(call: ChatCall) -> JsonSchema | None:
    """The schema that the answer has to follow; None where the request asks for none."""
    if call.request.response_format is None or call.request.response_format.type != "json_schema":
        return None
    return _decode(call.members["response_format"], _JsonFormat, "response_format").json_schema


def _decode(raw: msgspec.Raw, type_: type[T], param: str) -> T:
    try:
        return msgspec.json.decode(raw, type=type_)
    except msgspec.ValidationError as error:
        raise RequestError(f"Invalid value for '{param}': {error}", param=param, code="invalid_value") from None
