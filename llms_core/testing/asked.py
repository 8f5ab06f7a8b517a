"""What the conformance suite asks: requests in OpenAI's terms, with marks that can be found again in what is sent."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llms_core.testing.wire import Call, Example

LOCAL = "conformance-local"
"""The model's name for clients; the provider's id of it is the Wire's `model`."""

QUESTION = "What is the weather in Paris? Mark 5Zq."

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
PDF = base64.b64encode(b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n").decode()
SCHEMA = {
    "type": "object",
    "properties": {"verdict_7k": {"type": "string", "description": "Mark of the schema"}},
    "required": ["verdict_7k"],
    "additionalProperties": False,
}


def user(*parts: Mapping[str, Any] | str) -> dict[str, Any]:
    """A message of the user's: a text, or parts."""
    content = parts[0] if len(parts) == 1 and isinstance(parts[0], str) else list(parts)
    return {"role": "user", "content": content}


def text(said: str) -> dict[str, Any]:
    """A part of text."""
    return {"type": "text", "text": said}


def tools(calls: Sequence[Call]) -> list[dict[str, Any]]:
    """The declarations of the tools that `calls` call, each once."""
    declared = {call.name: call.arguments for call in calls}
    return [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": f"Mark of {name}",
                "parameters": {
                    "type": "object",
                    "properties": {member: {"type": "string"} for member in arguments},
                    "required": list(arguments),
                },
            },
        }
        for name, arguments in declared.items()
    ]


def request_for(name: str, example: Example) -> dict[str, Any]:
    """The members of the request that such an answer answers."""
    if name == "several":
        return {"n": len(example.choices)}
    if name == "logprobs":
        return {"logprobs": True, "top_logprobs": 1}
    return {"tools": tools(example.calls)} if example.calls else {}


NEEDED_BY = {"tools": ("tool_call", "parallel_calls"), "n": ("several",), "logprobs": ("logprobs",)}
"""The capabilities whose answers have a shape of their own, and the examples of them."""

CLAIMED: Mapping[str, tuple[Mapping[str, Any], tuple[str, ...]]] = {
    "streaming": ({"stream": True}, ()),
    "tools": ({"tools": tools([Call(name="get_weather", arguments={"city_4f": "Paris"})])}, ("get_weather", "city_4f")),
    "json_schema": (
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "verdict", "schema": SCHEMA, "strict": True},
            }
        },
        ("verdict_7k",),
    ),
    "json_object": ({"response_format": {"type": "json_object"}}, ()),
    "vision": (
        {"messages": [user(text("Look"), {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}})]},
        (PNG,),
    ),
    "audio": (
        {"messages": [user(text("Hear"), {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}})]},
        (WAV,),
    ),
    "files": (
        {
            "messages": [
                user(
                    text("Read"),
                    {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}},
                )
            ]
        },
        (PDF,),
    ),
    "logprobs": ({"logprobs": True, "top_logprobs": 2}, ()),
    "n": ({"n": 2}, ()),
    "prefill": ({"messages": [user(QUESTION), {"role": "assistant", "content": "The weather 9Tx"}]}, ("9Tx",)),
}
"""For each capability: members of a request that needs it, and marks that have to be in what is sent."""


def leaves(value: object) -> Iterator[object]:
    """Every name and every value of a decoded JSON text."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield name
            yield from leaves(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from leaves(inner)
    else:
        yield value


def longest_text(said: object, known: str | None = None) -> str:
    """What a failure says: the longest text in it, unless it is known."""
    texts = [leaf for leaf in leaves(said) if isinstance(leaf, str)] if known is None else [known]
    return max(texts, key=len, default="")


def has_text(body: bytes, mark: str) -> bool:
    """Whether a text is among a request's names and values, or a part of one of them."""
    return any(isinstance(leaf, str) and mark in leaf for leaf in leaves(json.loads(body)))


def has_value(body: bytes, value: object) -> bool:
    """Whether a value is in a request, whatever it is called there."""
    return any(leaf == value and isinstance(leaf, bool) == isinstance(value, bool) for leaf in leaves(json.loads(body)))
