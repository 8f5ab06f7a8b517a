"""Requests in OpenAI's format that the conformance suite sends.

They contain markers: unusual texts and values that a test can look for in the translated request.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llms_core.testing.wire import Call, Example

CLIENT_MODEL = "conformance-local"
"""The model's name for clients. The provider's id of it is the Wire's `model`."""

QUESTION = "What is the weather in Paris? Mark 5Zq."

# The smallest valid files of each kind: a transparent pixel, an empty sound, an empty document.
PNG = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
        "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
        "0000000049454e44ae426082"
    )
).decode()
WAV = base64.b64encode(
    b"RIFF\x26\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\2\0\0\0\0\0"
).decode()
PDF = base64.b64encode(
    b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
).decode()
# OpenAI's strict mode requires `additionalProperties: false`, and every property in `required`.
SCHEMA = {
    "type": "object",
    "properties": {"verdict_7k": {"type": "string", "description": "Mark of the schema"}},
    "required": ["verdict_7k"],
    "additionalProperties": False,
}


def user_message(content: str | Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a message of the user with `content`, a text or a list of parts."""
    return {"role": "user", "content": content if isinstance(content, str) else list(content)}


def text_part(text: str) -> dict[str, Any]:
    """Return a content part of text."""
    return {"type": "text", "text": text}


def tool_declarations(calls: Sequence[Call]) -> list[dict[str, Any]]:
    """Return the declarations of the tools that `calls` call, each tool once."""
    arguments_by_name = {call.name: call.arguments for call in calls}
    return [_tool_declaration(name, arguments) for name, arguments in arguments_by_name.items()]


def _tool_declaration(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": {argument: {"type": "string"} for argument in arguments},
        "required": list(arguments),
    }
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": f"Mark of {name}",
            "parameters": parameters,
        },
    }


def members_for(name: str, example: Example) -> dict[str, Any]:
    """Return the members that a request needs so that the example `name` is a valid response to it."""
    if name == "several":
        return {"n": len(example.choices)}
    if name == "logprobs":
        return {"logprobs": True, "top_logprobs": 1}
    if example.calls:
        return {"tools": tool_declarations(example.calls)}
    return {}


EXAMPLES_OF_CAPABILITY = {
    "tools": ("tool_call", "parallel_calls"),
    "n": ("several",),
    "logprobs": ("logprobs",),
}
"""The capabilities whose responses have their own format, and the examples that show it."""


_IMAGE = {
    "type": "image_url",
    "image_url": {"url": f"data:image/png;base64,{PNG}"},
}
_AUDIO = {
    "type": "input_audio",
    "input_audio": {"data": WAV, "format": "wav"},
}
_FILE = {
    "type": "file",
    "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
}
_JSON_SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "verdict", "schema": SCHEMA, "strict": True},
}
_WEATHER_CALL = Call(name="get_weather", arguments={"city_4f": "Paris"})

CAPABILITY_REQUESTS: Mapping[str, tuple[Mapping[str, Any], tuple[str, ...]]] = {
    "streaming": (
        {"stream": True},
        (),
    ),
    "tools": (
        {"tools": tool_declarations([_WEATHER_CALL])},
        ("get_weather", "city_4f"),
    ),
    "json_schema": (
        {"response_format": _JSON_SCHEMA},
        ("verdict_7k",),
    ),
    "json_object": (
        {"response_format": {"type": "json_object"}},
        (),
    ),
    "vision": (
        {"messages": [user_message([text_part("Look"), _IMAGE])]},
        (PNG,),
    ),
    "audio": (
        {"messages": [user_message([text_part("Hear"), _AUDIO])]},
        (WAV,),
    ),
    "files": (
        {"messages": [user_message([text_part("Read"), _FILE])]},
        (PDF,),
    ),
    "logprobs": (
        {"logprobs": True, "top_logprobs": 2},
        (),
    ),
    "n": (
        {"n": 2},
        (),
    ),
    "prefill": (
        {"messages": [user_message(QUESTION), {"role": "assistant", "content": "The weather 9Tx"}]},
        ("9Tx",),
    ),
}
"""For each capability: the members of a request that needs it, and the markers that the translation must contain."""


def leaves(value: object) -> Iterator[object]:
    """Yield every name and every scalar of a decoded JSON value."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield name
            yield from leaves(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from leaves(inner)
    else:
        yield value


def texts(value: object) -> list[str]:
    """Return all leaves of a decoded JSON value that are texts."""
    return [leaf for leaf in leaves(value) if isinstance(leaf, str)]


def longest_text(value: object) -> str:
    """Return the longest text in a decoded JSON value: in an error's body, that is usually its message."""
    return max(texts(value), key=len, default="")


def has_text(body: bytes, text: str) -> bool:
    """Return whether a JSON request contains `text` in any of its names and values, possibly within a longer text."""
    return any(text in leaf for leaf in texts(json.loads(body)))


def has_value(body: bytes, value: object) -> bool:
    """Return whether a JSON request contains `value` under any name."""
    return any(_is_same_scalar(leaf, value) for leaf in leaves(json.loads(body)))


def _is_same_scalar(leaf: object, value: object) -> bool:
    # True == 1 in Python, but not in JSON.
    return leaf == value and isinstance(leaf, bool) == isinstance(value, bool)
