"""Valid chat completion requests for hypothesis, as clients write them, and the call that an adapter gets for one.

What comes out passes `llms_core.contracts.request.decode`, and is in order by OpenAI's reference, too: each tool
message answers a call of the assistant's message before it, and each call is answered. Whether a provider can do what
is asked is left open: an adapter may raise `Unsupported` or `RequestError`, and nothing else.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from llms_core.contracts.request import ChatCall, decode

Json = dict[str, Any]
Drawn = SearchStrategy[Json]

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
WAV = base64.b64decode("UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=")


def chat_call(
    body: Mapping[str, Any], *, model: str = "upstream-model", name: str | None = None
) -> ChatCall:
    """`body` as an adapter gets it: decoded once, with the provider's own id in `model`."""
    decoded = decode(msgspec.json.encode(body))
    client_model = name or decoded.view.model
    return ChatCall(
        body=decoded,
        upstream_model=model,
        client_model=client_model,
        id="chatcmpl-1",
        created=1700000000,
    )


def data_uri(mime: str, data: bytes) -> str:
    """`data` as a data URI."""
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


#: Text of every script, without surrogates, which JSON cannot carry.
texts = st.text(st.characters(codec="utf-8"), max_size=40)
some_text = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Z"]), min_size=1, max_size=40
)
names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_-]{0,20}", fullmatch=True)
scalars = st.none() | st.booleans() | st.integers(-(2**31), 2**31) | texts
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
json_objects: Drawn = st.dictionaries(texts, json_values, max_size=4)


def optional(**members: SearchStrategy[Any]) -> Drawn:
    """An object with any of these members, or with none."""
    return st.fixed_dictionaries({}, optional=members)


def extended(base: Drawn, **members: SearchStrategy[Any]) -> Drawn:
    """`base`, perhaps with further members."""
    return st.builds(lambda one, more: {**one, **more}, base, optional(**members))


# Content parts ------------------------------------------------------------------------------------------------------

text_parts: Drawn = st.builds(lambda text: {"type": "text", "text": text}, texts)
image_urls = st.sampled_from([
    data_uri("image/png", PNG),
    data_uri("image/jpeg", b"\xff\xd8\xff\xe0"),
    "data:image/gif;base64,R0lGODlhAQABAAAAACw=",
    "https://example.com/cat.webp",
    "http://example.com/cat.png?size=1",
    "https://example.com/image",
])  # fmt: skip
image_parts: Drawn = st.builds(
    lambda url, detail: {"type": "image_url", "image_url": {"url": url, **detail}},
    image_urls,
    optional(detail=st.sampled_from(["auto", "low", "high"])),
) | st.builds(lambda url: {"type": "image_url", "image_url": url}, image_urls)
audio_parts: Drawn = st.builds(
    lambda kind, data: {"type": "input_audio", "input_audio": {"data": data, "format": kind}},
    st.sampled_from(["wav", "mp3"]),
    st.sampled_from([_base64(WAV), data_uri("audio/wav", WAV)]),
)
files: Drawn = st.sampled_from([
    {"filename": "report.pdf", "file_data": data_uri("application/pdf", PDF)},
    {"filename": "report.pdf", "file_data": _base64(PDF)},
    {"file_data": data_uri("application/pdf", PDF)},
    {"filename": "notes.txt", "file_data": data_uri("text/plain", "Grüße, 世界".encode())},
    {"filename": "table.csv", "file_data": data_uri("text/csv", b"a,b\n1,2\n")},
    {"filename": "cat.png", "file_data": data_uri("image/png", PNG)},
    {"filename": "report.pdf", "file_data": "https://example.com/report.pdf"},
    {"file_id": "file-abc123"},
])  # fmt: skip
file_parts: Drawn = st.builds(lambda file: {"type": "file", "file": file}, files)
user_parts = st.one_of(text_parts, image_parts, audio_parts, file_parts)


# Tools --------------------------------------------------------------------------------------------------------------

types = st.sampled_from([
    {"type": "string"},
    {"type": "string", "enum": ["a", "b"]},
    {"type": "integer", "minimum": 0},
    {"type": ["number", "null"]},
    {"type": "array", "items": {"type": "string"}},
    {"anyOf": [{"type": "boolean"}, {"type": "null"}], "description": "either"},
    {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"], "additionalProperties": False},
    {"$ref": "#/$defs/Thing"},
])  # fmt: skip


def _object_schema(properties: Json, closed: bool) -> Json:
    schema: Json = {"type": "object", "properties": properties, "required": sorted(properties)}
    if closed:
        schema["additionalProperties"] = False
    if {"$ref": "#/$defs/Thing"} in properties.values():
        schema["$defs"] = {
            "Thing": {"type": "object", "properties": {}, "additionalProperties": False}
        }
    return schema


schemas: Drawn = st.builds(_object_schema, st.dictionaries(names, types, max_size=3), st.booleans())
functions: Drawn = extended(
    st.builds(lambda name: {"name": name}, names),
    description=some_text,
    parameters=schemas | st.just({}),
    strict=st.booleans() | st.none(),
)


def tools_of(functions: list[Json]) -> list[Json]:
    """`tools` for these functions."""
    return [{"type": "function", "function": function} for function in functions]


tools = st.lists(
    functions, min_size=1, max_size=3, unique_by=lambda function: str(function["name"])
).map(tools_of)


def tool_choices(tools: list[Json]) -> SearchStrategy[Any]:
    """Every form of `tool_choice` over these tools."""
    named = st.sampled_from(tools).map(
        lambda tool: {"type": "function", "function": {"name": tool["function"]["name"]}}
    )
    allowed = st.builds(
        lambda mode, some: {
            "type": "allowed_tools",
            "allowed_tools": {"mode": mode, "tools": some},
        },
        st.sampled_from(["auto", "required"]),
        st.lists(named, min_size=1, max_size=3, unique_by=lambda one: one["function"]["name"]),
    )
    return st.sampled_from(["auto", "none", "required"]) | named | allowed | st.none()


# Messages -----------------------------------------------------------------------------------------------------------


@st.composite
def tool_turns(draw: DrawFn, tools: list[Json]) -> list[Json]:
    """An assistant's message with one to three calls, and the messages that answer each of them, in any order."""
    count = draw(st.integers(1, 3))
    ids = [f"call_{draw(st.integers(0, 10**9))}_{number}" for number in range(count)]
    known = [tool["function"]["name"] for tool in tools]
    calls = []
    for each in ids:
        arguments = draw(
            json_objects.map(lambda value: msgspec.json.encode(value).decode()) | st.just("")
        )
        function = {"name": draw(st.sampled_from(known)), "arguments": arguments}
        calls.append({"id": each, "type": "function", "function": function})
    message: Json = {"role": "assistant", "content": draw(st.none() | texts), "tool_calls": calls}
    if draw(st.booleans()):
        del message["content"]
    message |= draw(optional(reasoning_content=texts))
    content = texts | st.lists(text_parts, min_size=1, max_size=2)
    answers = [
        {"role": "tool", "tool_call_id": each, "content": draw(content)}
        for each in draw(st.permutations(ids))
    ]
    return [message, *answers]


def user_messages(parts: Drawn = user_parts) -> Drawn:
    """A user's message: a text, or any content parts."""
    content = texts | st.lists(parts, min_size=1, max_size=4)
    return extended(
        st.builds(lambda value: {"role": "user", "content": value}, content), name=names
    )


instructions: Drawn = st.builds(
    lambda role, value: {"role": role, "content": value},
    st.sampled_from(["system", "developer"]),
    texts | st.lists(text_parts, min_size=1, max_size=2),
)
answers: Drawn = extended(
    st.builds(
        lambda value: {"role": "assistant", "content": value},
        texts
        | st.lists(
            text_parts | st.just({"type": "refusal", "refusal": "I cannot."}),
            min_size=1,
            max_size=2,
        ),
    ),
    reasoning_content=texts,
    refusal=st.none() | texts,
)


@st.composite
def conversations(draw: DrawFn, tools: list[Json], parts: Drawn = user_parts) -> list[Json]:
    """Messages of every role in a valid order, that end with the user's word or with a tool's."""
    messages = draw(st.lists(instructions, max_size=2))
    turns = [user_messages(parts).map(lambda one: [one]), answers.map(lambda one: [one])]
    if tools:
        turns.append(tool_turns(tools))
    for turn in draw(st.lists(st.one_of(turns), max_size=4)):
        messages += turn
        messages += draw(st.lists(instructions, max_size=1)) if draw(st.integers(0, 9)) == 0 else []
    last = user_messages(parts).map(lambda one: [one])
    return [*messages, *draw(last if not tools else last | tool_turns(tools))]


# The whole ----------------------------------------------------------------------------------------------------------

response_formats: Drawn = st.one_of(
    st.just({"type": "text"}),
    st.just({"type": "json_object"}),
    st.builds(
        lambda name, schema, more: {
            "type": "json_schema",
            "json_schema": {"name": name, "schema": schema, **more},
        },
        names,
        schemas,
        optional(description=some_text, strict=st.booleans() | st.none()),
    ),
)
stops = some_text | st.lists(some_text, min_size=1, max_size=4) | st.none()

#: Every parameter of OpenAI's reference that is a value of its own, with `null` where clients send it.
PARAMETERS: dict[str, SearchStrategy[Any]] = {
    "temperature": st.floats(0, 2) | st.sampled_from([0, 1, 2, None]),
    "top_p": st.floats(0, 1) | st.none(),
    "max_tokens": st.integers(1, 200_000) | st.none(),
    "max_completion_tokens": st.integers(1, 200_000),
    "frequency_penalty": st.floats(-2, 2),
    "presence_penalty": st.floats(-2, 2),
    "stop": stops,
    "seed": st.integers(-(2**31), 2**31),
    "n": st.integers(1, 3),
    "logprobs": st.booleans(),
    "top_logprobs": st.integers(0, 20),
    "logit_bias": st.just({"50256": -100}),
    "reasoning_effort": st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh"]),
    "response_format": response_formats,
    "stream": st.booleans(),
    "stream_options": st.builds(lambda wanted: {"include_usage": wanted}, st.booleans()),
    "parallel_tool_calls": st.booleans(),
    "user": some_text,
    "metadata": st.dictionaries(names, some_text, max_size=2),
    "service_tier": st.sampled_from(["auto", "default", "flex", "priority"]),
    "store": st.booleans(),
    "verbosity": st.sampled_from(["low", "medium", "high"]),
    "prompt_cache_key": some_text,
    "safety_identifier": some_text,
    "prediction": st.just({"type": "content", "content": "As before"}),
    "modalities": st.just(["text"]),
    "enable_thinking": st.booleans(),
}


@st.composite
def chat_requests(
    draw: DrawFn,
    *,
    parts: Drawn = user_parts,
    also: Mapping[str, SearchStrategy[Any]] = {},
    never: Collection[str] = (),
    model: str = "local-model",
) -> Json:
    """Any valid request, with up to six parameters, so that what one of them does to another is seen.

    `parts` are the content parts of user messages, `also` a provider's own parameters, `never` those that it always
    refuses: drawn at random, they would leave few requests that get through.
    """
    known = draw(tools | st.just([]))
    body: Json = {"model": model, "messages": draw(conversations(known, parts))}
    if known:
        body["tools"] = known
        if draw(st.booleans()):
            body["tool_choice"] = draw(tool_choices(known))
    strategies = {
        name: drawn for name, drawn in {**PARAMETERS, **also}.items() if name not in never
    }
    for name in sorted(draw(st.sets(st.sampled_from(sorted(strategies)), max_size=6))):
        body[name] = draw(strategies[name])
    return body
