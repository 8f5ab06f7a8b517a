"""A request and an answer of Anthropic's Messages API, for adapters that pass them on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

REQUEST: Mapping[str, Any] = {
    "max_tokens": 1000,
    "system": "Grüße!",
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "What is the weather in Paris?"}]},
        {
            "role": "assistant",
            "content": [
                {
                    "type": "tool_use",
                    "id": "toolu_1",
                    "name": "get_weather",
                    "input": {"city": "Paris"},
                }
            ],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "20 °C"}],
        },
    ],
    "tools": [
        {
            "name": "get_weather",
            "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
        }
    ],
}
"""A request, without its model."""

MESSAGE: Mapping[str, Any] = {
    "id": "msg_01Xy",
    "type": "message",
    "role": "assistant",
    "model": "conformance-upstream",
    "content": [
        {"type": "text", "text": "20 degrees. 🌍"},
        {"type": "tool_use", "id": "toolu_2", "name": "get_weather", "input": {"city": "Oslo"}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 31, "output_tokens": 12},
}
"""The answer."""


def _delta(index: int, **delta: str) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": delta}


_EVENTS: Sequence[Json] = (
    {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
    {"type": "ping"},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    _delta(0, type="text_delta", text="20 degrees."),
    _delta(0, type="text_delta", text=" 🌍"),
    {"type": "content_block_stop", "index": 0},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "tool_use", "id": "toolu_2", "name": "get_weather", "input": {}},
    },
    _delta(1, type="input_json_delta", partial_json='{"city": '),
    _delta(1, type="input_json_delta", partial_json='"Oslo"}'),
    {"type": "content_block_stop", "index": 1},
    {"type": "an_event_of_the_future", "value": 1},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 12},
    },
    {"type": "message_stop"},
)

EVENTS: Sequence[tuple[str, Mapping[str, Any]]] = tuple((event["type"], event) for event in _EVENTS)
"""The same answer as a stream."""

ERROR: Mapping[str, Any] = {
    "type": "error",
    "error": {"type": "overloaded_error", "message": "The conformance suite is overloaded"},
}
"""An error, which may come with the status 200."""
