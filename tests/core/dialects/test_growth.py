"""K8: a request of very many small parts takes time in proportion to their number, in each dialect."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from llms_core.config.model import Responses
from llms_core.dialects import Dialect, IncomingRequest, responses
from llms_core.dialects.envelope import Envelope, seal
from llms_core.dialects.gemini import GENERATE_CONTENT
from llms_core.dialects.messages import MESSAGES
from llms_core.testing.growth import assert_linear

Json = dict[str, Any]

RESPONSES = responses.create(Responses(store=False), Path("unused"))[0]


def response(items: list[Json], **members: Any) -> Json:
    return {"model": "m", "input": [{"role": "user", "content": "Hello!"}, *items], **members}


def message(blocks: list[Json], **members: Any) -> Json:
    question = {"role": "user", "content": "Hello!"}
    return {
        "model": "m",
        "max_tokens": 9,
        "messages": [question, {"role": "assistant", "content": blocks}],
        **members,
    }


def contents(turns: list[list[Json]], **members: Any) -> Json:
    roles = ("model", "user")
    said = [{"role": roles[number % 2], "parts": parts} for number, parts in enumerate(turns)]
    return {"contents": [{"role": "user", "parts": [{"text": "Hello!"}]}, *said], **members}


def signature(number: int) -> str:
    detail = {"type": "reasoning.text", "index": 0, "text": "because "}
    return seal(
        Envelope(
            provider_extra={f"adapter{number}": {"kept": [number]}, "shared": {"kept": [number]}},
            calls={f"call{number}": {"extra_content": {}}},
            message={"reasoning_details": [detail]},
        )
    )


def function(number: int) -> Json:
    return {"name": f"function{number}", "parameters": {"type": "object", "properties": {}}}


def response_call(number: int) -> Json:
    return {"type": "function_call", "call_id": f"call{number}", "name": "look", "arguments": "{}"}


def reasoning(number: int) -> Json:
    return {"type": "reasoning", "encrypted_content": signature(number), "summary": []}


#: A request of each kind with `n` parts.
REQUESTS: Mapping[str, tuple[Dialect, Callable[[int], Json]]] = {
    "responses: texts of one turn": (
        RESPONSES,
        lambda n: response([{"role": "assistant", "content": [{"type": "output_text", "text": "x"}] * 2}] * n),
    ),
    "responses: reasoning of one turn": (
        RESPONSES,
        lambda n: response([{"type": "reasoning", "content": [{"type": "reasoning_text", "text": "x" * 99}]}] * n),
    ),
    "responses: envelopes and calls": (
        RESPONSES,
        lambda n: response([item for number in range(n) for item in (reasoning(number), response_call(number))]),
    ),
    "responses: tools": (
        RESPONSES,
        lambda n: response([], tools=[{"type": "function", **function(number)} for number in range(n)]),
    ),
    "messages: texts of one turn": (MESSAGES, lambda n: message([{"type": "text", "text": "x"}] * n)),
    "messages: envelopes of one turn": (
        MESSAGES,
        lambda n: message([{"type": "thinking", "thinking": "x", "signature": signature(k)} for k in range(n)]),
    ),
    "messages: calls of one turn": (
        MESSAGES,
        lambda n: message([{"type": "tool_use", "id": f"call{k}", "name": "look", "input": {}} for k in range(n)]),
    ),
    "gemini: calls and results, in the reverse order": (
        GENERATE_CONTENT,
        lambda n: contents([
            [{"functionCall": {"id": f"c{k}", "name": f"look{k}", "args": {}}} for k in range(n)],
            [{"functionResponse": {"id": f"c{k}", "name": f"look{k}", "response": {}}} for k in reversed(range(n))],
        ]),
    ),
    "gemini: calls and results without ids": (
        GENERATE_CONTENT,
        lambda n: contents([
            [{"functionCall": {"name": "look", "args": {}}}] * n,
            [{"functionResponse": {"name": "look", "response": {}}}] * n,
        ]),
    ),
    "gemini: functions that are allowed": (
        GENERATE_CONTENT,
        lambda n: contents(
            [],
            tools=[{"functionDeclarations": [function(number) for number in range(n)]}],
            toolConfig={
                "functionCallingConfig": {
                    "mode": "ANY",
                    "allowedFunctionNames": [f"function{number}" for number in range(n)],
                }
            },
        ),
    ),
    "gemini: thoughts of one turn": (
        GENERATE_CONTENT,
        lambda n: contents([[{"text": "x", "thought": True}] * n]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_of_many_parts_is_translated_in_linear_time(name: str) -> None:
    dialect, build = REQUESTS[name]

    def prepare(size: int) -> Callable[[], object]:
        return partial(
            dialect.decode,
            IncomingRequest(json.dumps(build(size)).encode(), parameters={"model": "m"}),
        )

    assert_linear(name, prepare, 2000)
