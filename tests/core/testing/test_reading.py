"""Answers are read strictly by OpenAI's contract: each violation raises ContractError."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llms_core.testing.reading import ContractError, read_stream, read_whole

WHOLE = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": []}
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def with_calls(*calls: object) -> dict[str, Any]:
    message = {"role": "assistant", "content": None, "tool_calls": list(calls)}
    return {"choices": [{**CHOICE, "message": message}]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"object": "chat.completion.chunk"},
        {"id": ""},
        {"created": 1.5},
        {"created": True},
        {"model": "upstream"},
        {"choices": [{**CHOICE, "index": 1}]},
        {"choices": [{**CHOICE, "finish_reason": "STOP"}]},
        {"choices": [{**CHOICE, "message": {"role": "assistant"}}]},
        {"choices": [{**CHOICE, "message": {"role": "model", "content": ""}}]},
        {"usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 3}},
        {"usage": {"prompt_tokens": 1.0, "completion_tokens": 1, "total_tokens": 2}},
        {"usage": {"prompt_tokens": 1}},
        with_calls({**CALL, "id": None}),
        with_calls({**CALL, "type": None}),
        with_calls(CALL, CALL),
        with_calls({**CALL, "function": {"name": "f", "arguments": {}}}),
        with_calls({**CALL, "function": {"name": "f", "arguments": "{"}}),
    ],
)
def test_invalid_completion_is_rejected(wrong: dict[str, Any]) -> None:
    valid = {**WHOLE, "choices": [CHOICE]}
    assert read_whole(json.dumps(valid).encode(), "m").choices[0].text == "Hi"
    with pytest.raises(ContractError):
        read_whole(json.dumps({**valid, **wrong}).encode(), "m")


def chunk(delta: object, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {
        "id": "x",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
        **more,
    }


BEGIN = chunk({"role": "assistant", "content": ""})
END = chunk({}, "stop")
USAGE = chunk({}, choices=[], usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2})
FRAGMENT = {"index": 0, **CALL}


@pytest.mark.parametrize(
    "wrong",
    [
        [BEGIN],
        [chunk({"content": "x"}), END],
        [BEGIN, BEGIN, END],
        [BEGIN, END, END],
        [BEGIN, END, chunk({"content": "x"})],
        [BEGIN, {**END, "id": "y"}],
        [BEGIN, {**END, "created": 2}],
        [BEGIN, USAGE, END],
        [BEGIN, {**END, "usage": USAGE["usage"]}],
        [BEGIN, chunk({"tool_calls": [{**FRAGMENT, "index": 1}]}), END],
        [BEGIN, chunk({"tool_calls": [{**FRAGMENT, "id": None}]}), END],
        [BEGIN, chunk({"tool_calls": [FRAGMENT]}), chunk({"tool_calls": [{**FRAGMENT, "id": "d"}]}), END],
        [BEGIN, chunk({"tool_calls": [FRAGMENT]}), chunk({"tool_calls": [FRAGMENT]}), END],
        [BEGIN, chunk({"tool_calls": [FRAGMENT, {**FRAGMENT, "index": 1}]}), END],
        [chunk({}, choices=[{"index": 1, "delta": {"role": "assistant"}, "finish_reason": "stop"}])],
    ],
)  # fmt: skip
def test_invalid_stream_is_rejected(wrong: list[dict[str, Any]]) -> None:
    valid = [BEGIN, chunk({"content": "x"}), END, USAGE]
    read = read_stream([json.dumps(each).encode() for each in valid], "m")
    assert (read.choices[0].text, read.usage) == ("x", (1, 1, 2))
    with pytest.raises(ContractError):
        read_stream([json.dumps(each).encode() for each in wrong], "m")
