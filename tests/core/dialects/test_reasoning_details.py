"""`reasoning_details`, as OpenRouter sends them, return to it through every API: whole, and in their order."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from message_events import check_order
from message_events import events_of as message_events_of
from response_events import response_in

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.joined import joined
from llms_core.contracts.reasoning_details import consolidated
from llms_core.testing import ScriptedUpstream, events
from tests.core.server.conftest import Asking, chunk, whole

Json = dict[str, Any]

SUMMARY = {"type": "reasoning.summary", "format": "xai-responses-v1", "index": 0}
ENCRYPTED = {
    "type": "reasoning.encrypted",
    "data": "B/XIFK",
    "format": "xai-responses-v1",
    "id": "rs_1",
    "index": 0,
}
SIGNED = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 1}
PIECES = [
    {**SUMMARY, "summary": "First, "},
    {**SUMMARY, "summary": "look."},
    ENCRYPTED,
    {**SIGNED, "text": "", "signature": ""},
    {**SIGNED, "text": "Hm"},
    {**SIGNED, "signature": "Et0B"},
]
DETAILS = [
    {**SUMMARY, "summary": "First, look."},
    ENCRYPTED,
    {**SIGNED, "text": "Hm", "signature": "Et0B"},
]
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
PARAMETERS = {"type": "object", "properties": {}}


def answer(*, is_streamed: bool) -> Any:
    """What OpenRouter answers: it thinks, and calls a tool."""
    if not is_streamed:
        message = {
            "role": "assistant",
            "content": "Hm.",
            "reasoning": "First, look.",
            "reasoning_details": DETAILS,
        }
        return whole({**message, "tool_calls": [CALL]}, "tool_calls")
    thoughts = [
        chunk({"reasoning": "First, ", "reasoning_details": [piece]}) for piece in PIECES[:2]
    ]
    late = [chunk({"reasoning_details": [piece]}) for piece in PIECES[2:]]
    calls = chunk({"tool_calls": [{"index": 0, **CALL}]})
    return events(
        *thoughts, chunk({"content": "Hm."}), *late, calls, chunk({}, "tool_calls"), "[DONE]"
    )


def by_messages(ask: Asking, *, is_streamed: bool) -> None:
    """Ask by the Messages API, and return the content with a result."""
    path = "/v1/messages"
    question = {"role": "user", "content": "?"}
    body = {
        "model": "m",
        "max_tokens": 100,
        "tools": [{"name": "look", "input_schema": PARAMETERS}],
        "messages": [question],
        "stream": is_streamed,
    }
    response = ask.post(body, path)
    content = message_in(response.content) if is_streamed else response.json()["content"]
    result = {"type": "tool_result", "tool_use_id": "call_1", "content": "done"}
    messages = [
        question,
        {"role": "assistant", "content": content},
        {"role": "user", "content": [result]},
    ]
    assert ask.post({**body, "messages": messages, "stream": False}, path).status_code == 200


def message_in(data: bytes) -> list[Json]:
    """The content that a client makes of a stream."""
    found = message_events_of(data)
    check_order(found)
    blocks: list[Json] = []
    for event in found:
        if event["type"] == "content_block_start":
            blocks.append(event["content_block"])
        if event["type"] == "content_block_delta":
            delta = event["delta"]
            name = {
                "signature_delta": "signature",
                "thinking_delta": "thinking",
                "text_delta": "text",
            }.get(delta["type"])
            if name is not None:
                blocks[-1][name] += delta[name]
    return blocks


def by_responses(ask: Asking, *, is_streamed: bool) -> None:
    """Ask by the Responses API, and return the items with an output."""
    path = "/v1/responses"
    body = {
        "model": "m",
        "store": False,
        "tools": [{"type": "function", "name": "look", "parameters": PARAMETERS}],
        "input": "?",
        "stream": is_streamed,
    }
    response = ask.post(body, path)
    output = response_in(response.text)["output"] if is_streamed else response.json()["output"]
    result = {"type": "function_call_output", "call_id": "call_1", "output": "done"}
    items = [{"role": "user", "content": "?"}, *output, result]
    assert ask.post({**body, "input": items, "stream": False}, path).status_code == 200


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("ask_and_return", [by_messages, by_responses])
def test_they_return_to_the_provider(
    ask: Asking, first: ScriptedUpstream, ask_and_return: Callable[..., None], is_streamed: bool
) -> None:
    first.script(answer(is_streamed=is_streamed), whole())
    ask_and_return(ask, is_streamed=is_streamed)
    (returned,) = [
        each for each in first.requests[-1].json["messages"] if each["role"] == "assistant"
    ]
    assert returned["reasoning_details"] == DETAILS
    assert returned["tool_calls"] == [CALL]


def test_a_stream_that_was_not_requested_has_them_whole() -> None:
    chunks = [Chunk(json.dumps(chunk({"reasoning_details": [piece]})).encode()) for piece in PIECES]
    (choice,) = json.loads(joined(chunks))["choices"]
    assert choice["message"]["reasoning_details"] == DETAILS


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [{"type": "reasoning.text", "text": "a"}, {"type": "reasoning.text", "text": "b"}],
        [
            {"type": "reasoning.text", "text": "a", "index": 0},
            {"type": "reasoning.text", "text": "b", "index": 1},
        ],
    ],
    ids=["none", "without an index", "of another index"],
)
def test_entries_are_kept_apart(pieces: list[Json]) -> None:
    assert consolidated(pieces) == pieces
