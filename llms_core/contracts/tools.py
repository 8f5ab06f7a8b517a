"""The tools, tool calls and JSON schema of a request, decoded for adapters that translate them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Raw

from llms_core.contracts.json import ABSENT, UNREADABLE, text_of_json
from llms_core.contracts.request import ChatCall, CommonMessage, CommonToolCall, Message
from llms_core.errors import RequestError, Unsupported

T = TypeVar("T")

log = logging.getLogger(__name__)

#: The member that holds the arguments of an earlier call if they are not a JSON object.
INVALID_ARGUMENTS = "invalid_arguments"

JSON_INSTRUCTION = (
    "Answer with one JSON object and nothing else: no code fence, no text before or after it."
)
"""Tells a model without a mode for it to answer with a JSON object (`response_format` of the type `json_object`)."""


class Function(msgspec.Struct):
    """A function that the model may call."""

    name: str
    description: str | None = None
    #: a JSON schema; None for a function without parameters
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class CalledFunction(msgspec.Struct):
    """The function of a tool call."""

    name: str
    #: JSON text, as the model wrote it: it may be cut off, or no JSON at all
    arguments: str = ""


class Called(msgspec.Struct):
    """A tool call of an assistant message."""

    function: CalledFunction
    id: str = ""
    # Opaque data of an earlier answer, such as signatures, which the client returns unchanged.
    extra_content: dict[str, Any] | None = None
    provider_extra: dict[str, Any] | None = None

    def arguments(self) -> dict[str, Any]:
        """Return the decoded arguments, {} if empty or null.

        Other arguments than a JSON object, such as text that was cut off, become the value of INVALID_ARGUMENTS, so
        that the conversation can go on and the model sees what it wrote.
        """
        value = _decoded(self.function.arguments)
        if isinstance(value, str):
            # Some servers encode the arguments twice.
            value = _decoded(value)
        if isinstance(value, dict):
            return value
        if value is None:
            return {}
        log.warning(
            "The arguments of an earlier call of %.100r are not a JSON object: sent as text",
            self.function.name,
        )
        return {INVALID_ARGUMENTS: self.function.arguments}

    def arguments_text(self) -> str:
        """Return `arguments` as JSON text: the client's own if that is an object."""
        text = self.function.arguments
        if isinstance(_decoded(text), dict):
            return text
        return msgspec.json.encode(self.arguments()).decode()


class ToolChoice(msgspec.Struct, frozen=True):
    """`tool_choice`, in one form instead of OpenAI's four."""

    mode: Literal["auto", "none", "required"]
    #: the functions that may be called; empty if any may
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


class _RawFunction(msgspec.Struct):
    name: str
    arguments: Raw = ABSENT


class _RawCalled(msgspec.Struct):
    """A tool call as clients send it, with the departures from OpenAI's contract that they are known for."""

    function: _RawFunction | None = None
    type: str | None = None
    id: str | None = None
    extra_content: dict[str, Any] | None = None
    provider_extra: dict[str, Any] | None = None


class _Named(msgspec.Struct):
    name: Any = None


class _NamedTool(_Named):
    """A tool of any type, of which only its name matters: providers' own tools have it at the top level."""

    function: _Named | None = None


class _JsonFormat(msgspec.Struct):
    json_schema: JsonSchema


def functions(call: ChatCall) -> list[Function]:
    """Return the functions among the request's `tools`. Raises Unsupported for a tool of another type."""
    return functions_of(call.request.tools or ())


def functions_of(tools: Sequence[msgspec.Raw]) -> list[Function]:
    """Return the functions among raw tools. Raises Unsupported for a tool of another type."""
    found = []
    for number, raw in enumerate(tools):
        tool = _decode(raw, _Tool, f"tools[{number}]")
        if tool.type != "function" or tool.function is None:
            raise Unsupported(
                f"Tools of type '{tool.type}' are not supported here", param=f"tools[{number}].type"
            )
        found.append(tool.function)
    return found


def tool_names(call: ChatCall) -> list[str]:
    """Return the names of the request's tools, of functions and of providers' own tools alike."""
    names = []
    for number, raw in enumerate(call.request.tools or ()):
        tool = _decode(raw, _NamedTool, f"tools[{number}]")
        named = tool.function or tool
        if isinstance(named.name, str):
            names.append(named.name)
    return names


def called(message: Message) -> list[Called]:
    """Return the tool calls of an assistant message. Raises Unsupported for a call of another type of tool."""
    if isinstance(message, CommonMessage):
        return [_common_call(call) for call in message.tool_calls or ()]
    return [_called(raw) for raw in message.tool_calls or ()]


def _common_call(call: CommonToolCall) -> Called:
    return Called(function=CalledFunction(call.function.name, call.function.arguments), id=call.id)


def _called(raw: Raw) -> Called:
    call = _decode(raw, _RawCalled, "messages[].tool_calls")
    if call.function is None:
        if call.type in (None, "function"):
            missing = "messages[].tool_calls[].function"
            raise RequestError(f"Missing required parameter: '{missing}'", param=missing)
        raise Unsupported(
            f"Calls of tools of type '{call.type}' are not supported here",
            param="messages[].tool_calls",
        )
    return Called(
        # Some clients send the decoded object, or null, instead of text.
        function=CalledFunction(call.function.name, text_of_json(call.function.arguments)),
        id=call.id or "",
        extra_content=call.extra_content,
        provider_extra=call.provider_extra,
    )


def _decoded(text: str) -> Any:
    """Return the value of JSON text; None if it is empty, and the text itself if it is not JSON."""
    if not text or text.isspace():
        return None
    try:
        return msgspec.json.decode(text)
    except UNREADABLE:
        return text


def tool_choice(call: ChatCall) -> ToolChoice | None:
    """Return `tool_choice`; None if absent. Raises RequestError if it has none of OpenAI's forms."""
    match call.get("tool_choice"):
        case None:
            return None
        case "auto" | "none" | "required" as mode:
            return ToolChoice(mode)
        case {"type": "function", "function": {"name": str(name)}}:
            return ToolChoice("required", (name,))
        case {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto" | "required" as mode, "tools": list(tools)},
        }:
            names = _allowed_names(tools)
            if names is not None:
                return ToolChoice(mode, names)
    raise RequestError("Invalid value for 'tool_choice'", param="tool_choice", code="invalid_value")


def _allowed_names(tools: list[Any]) -> tuple[str, ...] | None:
    """Return the names of the functions in `allowed_tools`; None if one has another shape. Other tools are skipped."""
    try:
        return tuple(tool["function"]["name"] for tool in tools if "function" in tool)
    except (KeyError, TypeError):
        return None


def json_schema(call: ChatCall) -> JsonSchema | None:
    """Return the schema that the answer has to follow; None if the request has none."""
    response_format = call.request.response_format
    if response_format is None or response_format.type != "json_schema":
        return None
    return _decode(call.members["response_format"], _JsonFormat, "response_format").json_schema


def _decode(raw: msgspec.Raw, type_: type[T], param: str) -> T:
    try:
        return msgspec.json.decode(raw, type=type_)
    except UNREADABLE as error:
        raise RequestError(
            f"Invalid value for '{param}': {error}", param=param, code="invalid_value"
        ) from None
