"""The compliance cases of Open Responses (https://www.openresponses.org/compliance), with a scripted provider.

The cases and the required members are facts of its specification.
"""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses import Response
from response_events import events_of, response_in

from llms_core.testing import ScriptedUpstream, events
from tests.core.server.conftest import Asking, chunk, whole

Json = dict[str, Any]

RESPONSES = "/v1/responses"
NULLABLE = {
    "completed_at",
    "error",
    "incomplete_details",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "usage",
    "user",
}
REQUIRED = NULLABLE | {
    "background",
    "created_at",
    "frequency_penalty",
    "id",
    "metadata",
    "model",
    "object",
    "output",
    "parallel_tool_calls",
    "presence_penalty",
    "service_tier",
    "status",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
}
FUNCTION_MEMBERS = {"type", "name", "description", "parameters", "strict"}
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather at a place",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string"}},
        "required": ["location"],
    },
}
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"location":"San Francisco, CA"}'},
}


def said(role: str, content: object) -> Json:
    return {"type": "message", "role": role, "content": content}


CASES = {
    "basic": [said("user", "Say hello in three words.")],
    "system prompt": [said("system", "You are a pirate."), said("user", "Say hello.")],
    "image": [
        said(
            "user",
            [
                {"type": "input_text", "text": "What is this?"},
                {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="},
            ],
        )
    ],
    "several turns": [
        said("user", "I am Alice."),
        said("assistant", "Hello Alice!"),
        said("user", "Who am I?"),
    ],
}


def check(response: Json) -> None:
    """The response has every required member, none of them null that must not be."""
    Response.model_validate(response)
    assert response.keys() >= REQUIRED
    assert {name for name in REQUIRED if response[name] is None} <= NULLABLE
    assert all(tool.keys() >= FUNCTION_MEMBERS for tool in response["tools"])
    assert {"input_tokens_details", "output_tokens_details", "total_tokens"} <= response[
        "usage"
    ].keys()


@pytest.mark.parametrize("case", CASES)
def test_a_whole_answer(ask: Asking, case: str) -> None:
    response = ask.post({"model": "m", "input": CASES[case], "stream": False}, RESPONSES).json()
    check(response)
    assert response["status"] == "completed"
    assert [item["type"] for item in response["output"]] == ["message"]


def test_a_stream(ask: Asking) -> None:
    response = response_in(
        ask.post({"model": "m", "input": CASES["basic"], "stream": True}, RESPONSES).text
    )
    check(response)
    assert response["status"] == "completed"


def test_a_tool_call(ask: Asking, first: ScriptedUpstream) -> None:
    first.default = whole(
        {"role": "assistant", "content": None, "tool_calls": [CALL]}, "tool_calls"
    )
    response = ask.post(
        {"model": "m", "input": CASES["basic"], "tools": [WEATHER]}, RESPONSES
    ).json()
    check(response)
    assert [item["type"] for item in response["output"]] == ["function_call"]


def test_a_streamed_tool_call(ask: Asking, first: ScriptedUpstream) -> None:
    first.default = events(
        chunk({"tool_calls": [{"index": 0, **CALL}]}), chunk({}, "tool_calls"), "[DONE]"
    )
    body = {"model": "m", "input": CASES["basic"], "tools": [WEATHER], "stream": True}
    text = ask.post(body, RESPONSES).text
    assert response_in(text)["output"][0]["type"] == "function_call"
    types = {event["type"] for event in events_of(text)}
    assert types >= {
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
    }
    items = [(event["type"], event["item"]["type"]) for event in events_of(text) if "item" in event]
    assert items == [
        ("response.output_item.added", "function_call"),
        ("response.output_item.done", "function_call"),
    ]
