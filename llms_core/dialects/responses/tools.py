"""Tools: from the types of the Responses API to functions, which every provider has, and back.

A tool that the client runs becomes a function, and a call of this function becomes the client's type of call again. The
tools of a namespace are flattened. A tool that OpenAI would run on its servers cannot be offered: it is left out and
reported, and refused if the request forces it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Raw

from llms_core.contracts.function_names import NameRule
from llms_core.contracts.json import ABSENT, UNREADABLE, is_null
from llms_core.errors import RequestError

Kind = Literal["function", "custom", "tool_search", "local_shell", "shell", "apply_patch"]

#: The types of tools without a name, which the client runs; each is the name of its function.
_NAMELESS: frozenset[Kind] = frozenset({"tool_search", "local_shell", "shell", "apply_patch"})

_SEPARATOR = "__"
_NAMES = NameRule(characters="a-zA-Z0-9_-", first="a-zA-Z_")
_MAX_NAME = 64
_HASH_LENGTH = 8


class Origin(NamedTuple):
    """The client's tool that a function stands for."""

    kind: Kind
    name: str
    namespace: str | None = None


class Tool(msgspec.Struct):
    """One of the request's tools. Types without a name have few of the members."""

    type: str
    name: str | None = None
    description: str | None = None
    #: a JSON schema
    parameters: Raw = ABSENT
    strict: bool | None = None
    #: `{"type": "text"}` or a grammar
    format: dict[str, Any] | None = None
    #: of a namespace
    tools: list[Raw] | None = None
    #: where `tool_search` runs
    execution: str | None = None
    #: where `shell` runs
    environment: dict[str, Any] | None = None


class Function(msgspec.Struct, omit_defaults=True):
    """A function as the operation `chat` has it."""

    name: str
    description: str | None = None
    parameters: Any = None
    strict: bool | None = None


_decode_tool = msgspec.json.Decoder(Tool).decode

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_MILLISECONDS = {"type": "integer", "description": "Time limit in milliseconds"}


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_NAMELESS_FUNCTIONS: dict[str, Function] = {
    "tool_search": Function(
        "tool_search",
        "Search for further tools, which can be called once they have been found.",
        _object({"query": _TEXT}, "query"),
    ),
    "local_shell": Function(
        "local_shell",
        "Run a command on the user's machine.",
        _object(
            {
                "command": {**_TEXTS, "description": "The program and its arguments"},
                "working_directory": _TEXT,
                "timeout_ms": _MILLISECONDS,
                "env": {"type": "object", "additionalProperties": _TEXT},
            },
            "command",
        ),
    ),
    "shell": Function(
        "shell",
        "Run commands in a shell on the user's machine.",
        _object(
            {
                "commands": {**_TEXTS, "description": "Each is a line for the shell"},
                "timeout_ms": _MILLISECONDS,
                "max_output_length": {"type": "integer", "description": "In characters"},
            },
            "commands",
        ),
    ),
    "apply_patch": Function(
        "apply_patch",
        "Create, update or delete a file.",
        _object(
            {
                "type": {"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
                "path": _TEXT,
                "diff": {"type": "string", "description": "A V4A diff; not for delete_file"},
            },
            "type",
            "path",
        ),
    ),
}


class Toolset:
    """The tools of one request: functions for the provider, and what each of them is for the client."""

    def __init__(self) -> None:
        #: as members of the operation's `tools`
        self.functions: list[dict[str, Any]] = []
        #: the types of the tools that are left out
        self.dropped: list[str] = []
        self._origins: dict[str, Origin] = {}
        self._names: dict[Origin, str] = {}
        #: The names of functions so far.
        self._taken: set[str] = set()

    def add(self, tools: Sequence[Raw], param: str) -> None:
        """Add the client's tools. Raises RequestError, which names the tool."""
        # Functions first: they keep their names, and those of all others are made unique.
        decoded = [
            (_decode(raw, f"{param}[{number}]"), f"{param}[{number}]")
            for number, raw in enumerate(tools)
        ]
        for tool, place in decoded:
            if tool.type == "function":
                self._add_function(tool, place)
        for tool, place in decoded:
            if tool.type != "function":
                self._add_other(tool, place)

    def origin(self, function: str) -> Origin:
        """Return the client's tool that a function stands for; an unknown one is a function of the client's."""
        return self._origins.get(function) or Origin("function", function)

    def function(self, origin: Origin) -> str:
        """Return the name of the function for a tool, which need not be among the request's tools any more."""
        name = self._names.get(origin)
        if name is None:
            name = self._names[origin] = self._unique(origin)
            self._taken.add(name)
        return name

    def has(self, origin: Origin) -> bool:
        """Whether the tool is among the request's."""
        return self._origins.get(self._names.get(origin, "")) == origin

    def _add_function(self, tool: Tool, place: str, namespace: str | None = None) -> None:
        parameters = None if not tool.parameters or is_null(tool.parameters) else tool.parameters
        name = _required(tool.name, f"{place}.name")
        self._add(
            Origin("function", name, namespace),
            Function(name, tool.description, parameters, tool.strict),
        )

    def _add_other(self, tool: Tool, place: str) -> None:
        match tool.type:
            case "custom":
                self._add_custom(tool, place)
            case "namespace":
                namespace = _required(tool.name, f"{place}.name")
                for number, raw in enumerate(tool.tools or ()):
                    inner_place = f"{place}.tools[{number}]"
                    inner = _decode(raw, inner_place)
                    if inner.type == "custom":
                        self._add_custom(inner, inner_place, namespace)
                    elif inner.type == "function":
                        self._add_function(inner, inner_place, namespace)
                    else:
                        self.dropped.append(inner.type)
            case "tool_search" if tool.execution == "client":
                parameters = tool.parameters or _NAMELESS_FUNCTIONS["tool_search"].parameters
                description = tool.description or _NAMELESS_FUNCTIONS["tool_search"].description
                self._add(
                    Origin("tool_search", "tool_search"),
                    Function("tool_search", description, parameters),
                )
            case "shell" if (tool.environment or {}).get("type", "local") != "local":
                self.dropped.append(tool.type)
            case "local_shell" | "shell" | "apply_patch" as kind:
                self._add(Origin(kind, kind), _NAMELESS_FUNCTIONS[kind])
            case _:
                self.dropped.append(tool.type)

    def _add_custom(self, tool: Tool, place: str, namespace: str | None = None) -> None:
        """Add a tool with any text as its input: a function with one parameter."""
        name = _required(tool.name, f"{place}.name")
        description = tool.description or ""
        grammar = tool.format or {}
        if grammar.get("type") == "grammar":
            syntax = grammar.get("syntax", "")
            definition = grammar.get("definition", "")
            description += f"\n\n`input` has to match this {syntax} grammar:\n{definition}"
        parameters = _object(
            {"input": {**_TEXT, "description": "The tool's whole input, as plain text"}}, "input"
        )
        self._add(
            Origin("custom", name, namespace),
            Function(name, description.strip() or None, parameters),
        )

    def _add(self, origin: Origin, function: Function) -> None:
        name = self.function(origin)
        if name in self._origins:
            return
        self._origins[name] = origin
        function = msgspec.structs.replace(function, name=name)
        self.functions.append({"type": "function", "function": function})

    def _unique(self, origin: Origin) -> str:
        """A name that no other tool has. A function without a namespace keeps its own."""
        if origin.kind == "function" and origin.namespace is None:
            return origin.name
        name = origin.name
        if origin.namespace is not None:
            name = f"{origin.namespace}{_SEPARATOR}{name}"
        if not _NAMES.accepts(name):
            adapted = _NAMES.adapt(name)
            name = _with_hash(adapted, name) if len(name) > _MAX_NAME else adapted
        while name in self._taken:
            name = _with_hash(name, repr(origin))
        return name


def forced(choice: Raw, toolset: Toolset) -> Any:
    """Return `tool_choice` as the operation has it. Raises RequestError if it forces a tool that is not offered."""
    value = msgspec.json.decode(choice)
    match value:
        case "auto" | "none":
            return value
        case "required":
            if toolset.functions:
                return value
            raise _cannot_force("any of the request's tools")
        case {"type": "allowed_tools", "mode": "auto" | "required" as mode, "tools": list(allowed)}:
            offered = []
            for tool in allowed:
                name = _allowed_name(tool, toolset)
                if name is not None:
                    offered.append({"type": "function", "function": {"name": name}})
            if not offered:
                raise _cannot_force("any of the allowed tools")
            return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": offered}}
        case {"type": str(kind)}:
            name = _allowed_name(value, toolset)
            if name is None:
                raise _cannot_force(value.get("name") or kind)
            return {"type": "function", "function": {"name": name}}
    raise RequestError("Invalid value for 'tool_choice'", param="tool_choice", code="invalid_value")


def _allowed_name(choice: Any, toolset: Toolset) -> str | None:
    """Return the function for a tool that `tool_choice` names; None if it is not offered."""
    match choice:
        case {"type": "function" | "custom" as kind, "name": str(name)}:
            namespace = choice.get("namespace")
            origin = Origin(kind, name, namespace if isinstance(namespace, str) else None)
        case {"type": str(kind)} if kind in _NAMELESS:
            origin = Origin(kind, kind)
        case _:
            return None
    if toolset.has(origin):
        return toolset.function(origin)
    return None


def _cannot_force(what: str) -> RequestError:
    message = f"'tool_choice' forces {what}, which is not among the tools that can be offered to the model"
    return RequestError(message, param="tool_choice", code="unsupported")


def custom_input(arguments: str) -> str:
    """Return the input of a custom tool from the arguments of its function, which a model may have got wrong."""
    try:
        value = msgspec.json.decode(arguments)
    except UNREADABLE:
        return arguments
    match value:
        case {"input": str(text)} | str(text):
            return text
    return arguments


def names_of(tools: Iterable[Raw]) -> list[str]:
    """Return the names of tools that a search has found."""
    found = []
    for raw in tools:
        tool = _decode(raw, "tools")
        if tool.type == "namespace":
            found += [f"{tool.name}{_SEPARATOR}{name}" for name in names_of(tool.tools or ())]
        elif tool.name:
            found.append(tool.name)
    return found


def _decode(raw: Raw, place: str) -> Tool:
    try:
        return _decode_tool(raw)
    except UNREADABLE as error:
        raise RequestError(
            f"Invalid value for '{place}': {error}", param=place, code="invalid_value"
        ) from None


def _required(value: str | None, param: str) -> str:
    if not value:
        message = f"Missing required parameter: '{param}'"
        raise RequestError(message, param=param, code="missing_required_parameter")
    return value


def _with_hash(name: str, unique: str) -> str:
    digest = hashlib.sha256(unique.encode() + name.encode()).hexdigest()[:_HASH_LENGTH]
    return f"{name[: _MAX_NAME - _HASH_LENGTH - 1]}_{digest}"
