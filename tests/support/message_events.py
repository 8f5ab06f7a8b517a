"""Anthropic's events as a strict client reads them: a state machine for their order, and the SDK for their content."""

from __future__ import annotations

import json
from typing import Any

import httpx2
from anthropic import Anthropic
from anthropic.types import Message, RawMessageStreamEvent
from anthropic.types.beta import BetaMessage, BetaRawMessageStreamEvent
from tagged_union import tagged_union

Json = dict[str, Any]

_event = tagged_union(RawMessageStreamEvent)
_beta_event = tagged_union(BetaRawMessageStreamEvent)

#: What a block's deltas may be.
_DELTAS = {
    "text": {"text_delta", "citations_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "tool_use": {"input_json_delta"},
    "server_tool_use": {"input_json_delta"},
}


def events_of(data: bytes) -> list[Json]:
    """Return the decoded events of a stream, whose names have to be their types."""
    events = []
    text = data.decode()
    assert text.endswith("\n\n") or not text
    for frame in text.split("\n\n")[:-1]:
        name, _, payload = frame.partition("\n")
        event = json.loads(payload.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events


def check_order(events: list[Json], *, complete: bool = True) -> None:
    """Check that the events are in the only order that clients accept. Pings may be anywhere."""
    events = [event for event in events if event["type"] != "ping"]
    if not events and not complete:
        return
    index = -1
    open_type = ""
    assert events[0]["type"] == "message_start"
    for event in events[1:]:
        match event["type"]:
            case "content_block_start":
                assert not open_type, "a block starts within another"
                index += 1
                assert event["index"] == index
                open_type = event["content_block"]["type"]
            case "content_block_delta":
                assert event["index"] == index
                assert event["delta"]["type"] in _DELTAS[open_type]
            case "content_block_stop":
                assert open_type
                assert event["index"] == index
                open_type = ""
            case "message_delta":
                assert not open_type
            case "message_stop" | "error":
                assert event is events[-1]
    types = [event["type"] for event in events]
    if complete:
        assert types[-2:] == ["message_delta", "message_stop"]
    else:
        assert "message_stop" not in types


def check_types(events: list[Json]) -> None:
    """Check every event against the SDK's types, without any conversion."""
    for event in events:
        if event["type"] not in ("ping", "error"):
            type_ = _beta_event if _is_beta(event.get("content_block") or {}) else _event
            type_.validate_json(json.dumps(event), strict=True)


def checked_message(data: bytes) -> Message:
    """Return a whole message, checked without any conversion."""
    if any(map(_is_beta, json.loads(data)["content"])):
        BetaMessage.model_validate_json(data, strict=True)
        return Message.construct(**BetaMessage.model_validate_json(data).__dict__)
    return Message.model_validate_json(data, strict=True)


def _is_beta(block: Json) -> bool:
    """Whether a block is of a feature in beta, for which the SDK has types of its own."""
    return str(block.get("type")).startswith(("mcp_", "advisor_")) or block.get("name") == "advisor"


def final_message(data: bytes) -> Message:
    """Return the message that Anthropic's SDK makes of a stream."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=data)

    with (
        Anthropic(
            api_key="not-needed",
            base_url="http://gateway.test",
            max_retries=0,
            http_client=httpx2.Client(transport=httpx2.MockTransport(answer)),
        ) as client,
        client.messages.stream(
            model="m", max_tokens=1, messages=[{"role": "user", "content": "Hello!"}]
        ) as stream,
    ):
        return stream.get_final_message()
