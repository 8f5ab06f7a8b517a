"""Requests of Gemini's API that no client sends by mistake: they are accepted or refused, and nothing else."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from gemini_requests import incoming
from hypothesis import given
from hypothesis import strategies as st

from llms_core.dialects.envelope import Envelope, as_base64, seal
from llms_core.dialects.gemini.decode import decode_content, decode_prompt, decode_stream
from llms_core.dialects.gemini.schema import json_schema
from llms_core.errors import RequestError

OWN = "an envelope of this gateway"
FORGED = "bGxtczEuAAAA"

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.sampled_from(["", "a", "model", "user", "ANY", FORGED])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["type", "name", "text", "parts", "properties", "mime_type", "any_of", "args"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=5,
)


def objects(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects in which any of the members may be anything."""
    return st.dictionaries(st.sampled_from(names), values, max_size=4)


calls = objects("id", "args", "partialArgs") | st.builds(
    lambda more: {"name": "f", "args": {}, **more}, objects("id", "args")
)
results = st.builds(
    lambda more: {"name": "f", **more}, objects("id", "response", "parts", "willContinue")
)
blobs = objects("mimeType", "mime_type", "data", "displayName") | st.just(
    {"mimeType": "image/png", "data": "aaaa"}
)
files = objects("fileUri", "file_uri", "mimeType") | st.just(
    {"fileUri": "https://example.com/a.png"}
)
parts = st.builds(
    lambda members, signature: {
        **members,
        **({"thoughtSignature": signature} if signature else {}),
    },
    st.one_of(
        st.just({"text": "a"}),
        st.just({"text": "t", "thought": True}),
        st.builds(lambda value: {"functionCall": value}, calls),
        st.builds(lambda value: {"function_call": value}, calls),
        st.builds(lambda value: {"functionResponse": value}, results),
        st.builds(lambda value: {"inlineData": value}, blobs),
        st.builds(lambda value: {"fileData": value}, files),
        objects(
            "text", "thought", "executableCode", "codeExecutionResult", "videoMetadata", "toolCall"
        ),
    ),
    st.sampled_from(["", FORGED, "AAAA", OWN]),
)
turns = st.builds(
    lambda role, parts: {"role": role, "parts": parts},
    st.sampled_from(["user", "model", "model", "function", "", None]),
    st.lists(parts, max_size=3),
)
tools = objects(
    "functionDeclarations", "googleSearch", "google_search", "codeExecution"
) | st.builds(
    lambda more: {"functionDeclarations": [{"name": "f", **more}]},
    objects("name", "description", "parameters", "parametersJsonSchema", "response"),
)
requests = st.builds(
    lambda contents, others: {"contents": contents, **others},
    st.lists(turns, min_size=1, max_size=4) | values,
    st.fixed_dictionaries(
        {},
        optional={
            "tools": st.lists(tools, max_size=2) | values,
            "toolConfig": st.builds(
                lambda config: {"functionCallingConfig": config},
                objects("mode", "allowedFunctionNames"),
            )
            | values,
            "systemInstruction": turns | values,
            "generationConfig": objects(
                *(
                    "temperature",
                    "topP",
                    "topK",
                    "maxOutputTokens",
                    "stopSequences",
                    "candidateCount",
                    "seed",
                ),
                *(
                    "responseMimeType",
                    "responseSchema",
                    "responseJsonSchema",
                    "thinkingConfig",
                    "responseModalities",
                ),
            ),
            "safetySettings": values,
            "cachedContent": values,
            "labels": values,
            "unknown": values,
        },
    ),
)


@given(request=requests)
def test_a_request_is_accepted_or_refused(request: dict[str, Any]) -> None:
    envelope = seal(
        Envelope(
            {"anthropic": {"content": [{"type": "thinking"}]}}, {"a": {"id": 5}}, {"role": "x"}
        )
    )
    data = json.dumps(request).replace(json.dumps(OWN), json.dumps(as_base64(envelope))).encode()
    for decode in (decode_content, decode_stream, decode_prompt):
        with suppress(RequestError):
            decode(incoming(data))


@given(st.binary(max_size=40))
def test_bytes_that_are_no_request_are_refused(data: bytes) -> None:
    for decode in (decode_content, decode_stream, decode_prompt):
        with pytest.raises(RequestError):
            decode(incoming(data))


@given(values)
def test_any_object_is_taken_for_a_schema(value: Any) -> None:
    if isinstance(value, dict):
        json.dumps(json_schema(value))


@pytest.mark.parametrize("name", ["properties", "items", "any_of", "args"])
def test_deep_nesting_is_accepted_or_refused(name: str) -> None:
    deep = f'{{"{name}": ' * 400 + "{}" + "}" * 400
    tools = f'[{{"function_declarations": [{{"name": "f", "parameters": {deep}}}]}}]'
    with suppress(RequestError):
        decode_content(
            incoming(f'{{"contents": [{{"parts": [{{"text": "a"}}]}}], "tools": {tools}}}'.encode())
        )
