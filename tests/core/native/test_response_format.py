"""A response that came whole, as the events of a stream, for clients that asked for one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from response_events import events_of, final_response, response_in

from llms_core.contracts.completion import Completion
from llms_core.contracts.native import RESPONSES
from llms_core.native.response_format import as_chunks

Json = dict[str, Any]

TEXT: Json = {"type": "output_text", "text": "Grüße", "annotations": [], "logprobs": []}
REFUSAL: Json = {"type": "refusal", "refusal": "I cannot."}
MESSAGE: Json = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [TEXT, REFUSAL],
}
CALL: Json = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "f",
    "arguments": '{"a": 1}',
    "status": "completed",
}
REASONING: Json = {"type": "reasoning", "id": "rs_1", "summary": []}


def whole(*items: Any) -> Json:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "model": "m",
        "status": "completed",
        "output": list(items),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }


def streamed(response: Json) -> str:
    chunks = as_chunks(Completion(json.dumps(response).encode(), native=RESPONSES))
    return b"".join(chunk.data for chunk in chunks).decode()


def pieces(text: str) -> dict[str, str]:
    """The pieces of a stream, by the kind of their events."""
    return {
        event["type"]: event["delta"]
        for event in events_of(text)
        if event["type"].endswith(".delta")
    }


def test_the_texts_and_arguments_of_an_answer_arrive_as_pieces() -> None:
    """Clients show pieces, and would show nothing of an item that is complete when it begins."""
    response = whole(REASONING, MESSAGE, CALL)
    text = streamed(response)
    assert response_in(text) == response
    assert final_response(text).output_text == "Grüße"
    assert pieces(text) == {
        "response.output_text.delta": "Grüße",
        "response.refusal.delta": "I cannot.",
        "response.function_call_arguments.delta": '{"a": 1}',
    }


@pytest.mark.parametrize(
    "item",
    [
        None,
        "text",
        {},
        {"type": "message", "content": None},
        {
            "type": "message",
            "id": "m",
            "content": [None, 5, {}, {"type": "output_text"}, {"type": "refusal"}],
        },
        {"type": "function_call", "id": "f", "arguments": None},
        {"type": "function_call", "arguments": {}},
    ],
)
def test_items_of_any_other_shape_arrive_whole(item: object) -> None:
    events = events_of(streamed(whole(item)))
    assert [event["item"] for event in events if event["type"] == "response.output_item.done"] == [
        item
    ]
    assert events[-1]["response"]["output"] == [item]
