"""Requests of any size, each large in another way. What a provider does not support, it may reject."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from llms_core.testing.sample_requests import PDF, PNG, text_part, user_message

Json: TypeAlias = dict[str, Any]

_TEXT = "What is the weather? "


def _assistant(**members: Any) -> Json:
    return {"role": "assistant", "content": "Fine.", **members}


def _call(number: int) -> Json:
    return {
        "id": f"call_{number}",
        "type": "function",
        "function": {"name": "get", "arguments": '{"a": "b"}'},
    }


def _result(number: int) -> Json:
    return {"role": "tool", "tool_call_id": f"call_{number}", "content": '{"temperature": 20}'}


def _tool(name: str, schema: Json, *, strict: bool = False) -> Json:
    return {"type": "function", "function": {"name": name, "parameters": schema, "strict": strict}}


def _object(properties: Json, **keywords: Any) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        **keywords,
    }


_CITY = _object({"city": {"type": "string"}})


def _messages(*messages: Json) -> Callable[[int], Json]:
    """Return a function that repeats messages after a question."""
    return lambda size: {"messages": [user_message(_TEXT), *messages * size]}


def _parts(part: Json) -> Callable[[int], Json]:
    return lambda size: {"messages": [user_message([text_part(_TEXT), *[part] * size])]}


def _schema(build: Callable[[int], Json]) -> Callable[[int], Json]:
    """Return a function that uses a schema for the answer and for the arguments of a function."""

    def members(size: int) -> Json:
        schema = build(size)
        wanted = {"name": "answer", "schema": schema, "strict": True}
        return {
            "response_format": {"type": "json_schema", "json_schema": wanted},
            "tools": [_tool("get", schema, strict=True)],
        }

    return members


def _wide_schema(size: int) -> Json:
    return _object(
        {f"p{number}": {"type": "string", "description": "A city"} for number in range(size)}
    )


def _chain(size: int, section: str = "$defs") -> Json:
    """Return a schema whose definitions each refer to the next one."""
    definitions = {
        f"d{number}": _object(
            {"next": {"$ref": f"#/{section}/d{number + 1}", "description": "The next one"}}
        )
        for number in range(size)
    }
    definitions[f"d{size}"] = _CITY
    return _object({"first": {"$ref": f"#/{section}/d0"}}, **{section: definitions})


def _star(size: int) -> Json:
    """Return a schema whose definitions all refer to one, and which refers to all of them."""
    definitions = {
        f"d{number}": _object({"center": {"$ref": "#/$defs/center"}}) for number in range(size)
    }
    references = {f"p{number}": {"$ref": f"#/$defs/d{number}"} for number in range(size)}
    return _object(references, **{"$defs": {**definitions, "center": _CITY}})


def _parallel_calls(size: int) -> Json:
    calls = [_call(number) for number in range(size)]
    results = [_result(number) for number in range(size)]
    return {"messages": [user_message(_TEXT), _assistant(content=None, tool_calls=calls), *results]}


def _calls_in_turn(size: int) -> Json:
    messages = [user_message(_TEXT)]
    for number in range(size):
        messages += [_assistant(content=None, tool_calls=[_call(number)]), _result(number)]
    return {"messages": messages, "tools": [_tool("get", _CITY)]}


def _repeated_ids(size: int) -> Json:
    turn = [_assistant(content=None, tool_calls=[_call(0)]), _result(0)]
    return {"messages": [user_message(_TEXT), *turn * size], "tools": [_tool("get", _CITY)]}


def _allowed_tools(size: int) -> Json:
    names = [f"tool_{number}" for number in range(size)]
    allowed = [{"type": "function", "function": {"name": name}} for name in names]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": allowed}}
    return {"tools": [_tool(name, _CITY) for name in names], "tool_choice": choice}


def _long_names(size: int) -> Json:
    """Return tools whose names are the same after they have been cut to an acceptable length."""
    return {"tools": [_tool(f"{'n' * 64}.{number}", _CITY) for number in range(size)]}


_PDF_PART = {
    "type": "file",
    "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
}
_PNG_PART = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}

LARGE_REQUESTS: Mapping[str, tuple[int, Callable[[int], Json]]] = {
    "messages": (800, _messages(_assistant(), user_message(_TEXT))),
    "messages of the user": (1500, _messages(user_message(_TEXT))),
    "messages of the assistant": (1500, _messages(_assistant())),
    "empty messages": (1500, _messages(_assistant(content=""), user_message(""))),
    "instructions": (1500, _messages({"role": "system", "content": "Be brief."})),
    "tool calls in one message": (500, _parallel_calls),
    "tool calls in turn": (500, _calls_in_turn),
    "tool calls with the same id": (500, _repeated_ids),
    "tools": (
        300,
        lambda size: {"tools": [_tool(f"tool_{number}", _CITY) for number in range(size)]},
    ),
    "allowed tools": (300, _allowed_tools),
    "tools with long names": (300, _long_names),
    "texts in a message": (1500, _parts(text_part(_TEXT))),
    "images": (300, _parts(_PNG_PART)),
    "documents of one name": (300, _parts(_PDF_PART)),
    "characters of a text": (50_000, lambda size: {"messages": [user_message("é\n" * size)]}),
    "properties of a schema": (300, _schema(_wide_schema)),
    "definitions in a chain": (60, _schema(_chain)),
    "definitions in a chain of an older draft": (
        60,
        _schema(lambda size: _chain(size, "definitions")),
    ),
    "definitions around one": (60, _schema(_star)),
    "stop sequences": (500, lambda size: {"stop": [f"stop {number}" for number in range(size)]}),
}
"""By the way of being large: a size that takes a few milliseconds at most, and the members of a request of any size."""
