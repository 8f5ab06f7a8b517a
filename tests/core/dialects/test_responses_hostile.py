"""Requests of the Responses API that no client sends by mistake: they are accepted or refused, and nothing else."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms_core.config.model import Responses
from llms_core.contracts.body import RequestBody
from llms_core.dialects import IncomingRequest, responses
from llms_core.dialects.responses.items import _CALLS, _HOSTED, _OUTPUTS
from llms_core.errors import RequestError

DIALECT = responses.create(Responses(store=False), Path("unused"))[0]

ITEM_TYPES = sorted(
    {"message", "reasoning", "item_reference", "additional_tools", *_CALLS, *_OUTPUTS, *_HOSTED}
)
TOOL_TYPES = [
    "function",
    "custom",
    "namespace",
    "tool_search",
    "local_shell",
    "shell",
    "apply_patch",
    "web_search",
]
PART_TYPES = ["input_text", "output_text", "refusal", "input_image", "input_file", "input_audio"]
ENVELOPE = (
    "llms1."
    + base64.urlsafe_b64encode(
        b'{"calls":{"a":{"id":5,"provider_extra":{}}},"reasoning":"x"}'
    ).decode()
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.sampled_from(["", "a", "auto", "user", "assistant", ENVELOPE])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["type", "name", "text", "data", "tools", "namespace"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=5,
)


def objects(types: list[str], names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects of one of the types, in which any member may be anything."""
    members = st.dictionaries(st.sampled_from(names), values, max_size=6)
    return st.builds(
        lambda type_, others: {"type": type_, **others}, st.sampled_from(types), members
    )


parts = objects(
    PART_TYPES,
    ["text", "refusal", "image_url", "file_id", "file_data", "file_url", "filename", "input_audio"],
)
tools = objects(
    TOOL_TYPES,
    ["name", "description", "parameters", "strict", "format", "execution", "environment"],
)
tools |= st.builds(
    lambda inner: {"type": "namespace", "name": "n", "tools": inner}, st.lists(tools, max_size=2)
)
items = objects(
    ITEM_TYPES,
    [
        *(
            "id",
            "role",
            "content",
            "encrypted_content",
            "call_id",
            "name",
            "namespace",
            "arguments",
            "input",
        ),
        *("action", "operation", "output", "status", "tools", "summary"),
    ],
)
items |= st.builds(
    lambda role, content: {"role": role, "content": content}, scalars, st.lists(parts, max_size=2)
)
items |= st.builds(
    lambda tools_, id_: {"type": "tool_search_output", "call_id": id_, "tools": tools_},
    st.lists(tools, max_size=2),
    scalars,
)


@given(
    input_=st.lists(items, max_size=4) | values,
    tools_=st.lists(tools, max_size=3) | values,
    choice=objects([*TOOL_TYPES, "allowed_tools"], ["name", "namespace", "mode", "tools"]) | values,
    others=st.dictionaries(
        st.sampled_from(
            [
                "text",
                "reasoning",
                "include",
                "metadata",
                "stop",
                "seed",
                "truncation",
                "top_logprobs",
            ]
        ),
        values,
        max_size=3,
    ),
)
def test_a_request_is_accepted_or_refused(
    input_: Any, tools_: Any, choice: Any, others: dict[str, Any]
) -> None:
    body = {"model": "m", "input": input_, "tools": tools_, "tool_choice": choice, **others}
    with suppress(RequestError):
        decoded = DIALECT.decode(IncomingRequest(json.dumps(body).encode()))
        if not isinstance(decoded, RequestBody):
            asyncio.run(_result_of(decoded))


async def _result_of(decoded: Awaitable[Any]) -> Any:
    return await decoded


@given(st.binary(max_size=40))
def test_bytes_that_are_no_request_are_refused(data: bytes) -> None:
    with pytest.raises(RequestError):
        DIALECT.decode(IncomingRequest(data))
