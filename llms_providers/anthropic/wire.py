"""Examples of Anthropic's Messages API for the conformance suite."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from llms_core.errors import ErrorKind
from llms_core.testing.wire import Call, Event, Example, Failure, Meaning, Wire

_WEATHER = Call(name="get_weather", arguments={"city": "Paris"})
_TIME = Call(name="get_time", arguments={"city": "Oslo"})

# A signature proves that thinking is Claude's own; it has to come back unchanged with the next request.
_SIGNATURE = "EqQBCgIYAhIkMWVn"
_REDACTED = {"type": "redacted_thinking", "data": "c2VjcmV0"}


# Whole messages


def _message(
    usage: tuple[int, int], stop_reason: str, *content: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a message; `usage` counts the tokens of the prompt and of the answer."""
    input_tokens, output_tokens = usage
    return {
        "id": "msg_01Xy",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {"input_tokens": input_tokens, "output_tokens": output_tokens},
    }


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _thinking(text: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, "signature": _SIGNATURE}


def _tool_use(call: Call, number: int) -> dict[str, Any]:
    return {
        "type": "tool_use",
        "id": f"toolu_01A{number}",
        "name": call.name,
        "input": call.arguments,
    }


# Streams. A block is given as its start and its deltas.

_StreamedBlock = list[Mapping[str, Any]]


def _event(type_: str, **members: Any) -> Event:
    return type_, {"type": type_, **members}


def _stream(
    usage: tuple[int, int], stop_reason: str, *blocks: Sequence[Mapping[str, Any]]
) -> list[Event]:
    """Return the events of a message; `usage` counts the tokens of the prompt and of the answer."""
    input_tokens, output_tokens = usage
    start = {
        # One token is counted before there is an answer.
        **_message((input_tokens, 1), stop_reason),
        "content": [],
        "stop_reason": None,
    }
    events = [_event("message_start", message=start), _event("ping")]
    for index, (block, *deltas) in enumerate(blocks):
        events.append(_event("content_block_start", index=index, content_block=block))
        events += [_event("content_block_delta", index=index, delta=delta) for delta in deltas]
        events.append(_event("content_block_stop", index=index))
    end = {"stop_reason": stop_reason, "stop_sequence": None}
    events.append(_event("message_delta", delta=end, usage={"output_tokens": output_tokens}))
    events.append(_event("message_stop"))
    return events


def _deltas(type_: str, member: str, pieces: Iterable[str]) -> list[Mapping[str, Any]]:
    return [{"type": type_, member: piece} for piece in pieces]


def _streamed_text(*pieces: str) -> _StreamedBlock:
    return [_text(""), *_deltas("text_delta", "text", pieces)]


def _streamed_thinking(*pieces: str) -> _StreamedBlock:
    return [
        {"type": "thinking", "thinking": "", "signature": ""},
        *_deltas("thinking_delta", "thinking", pieces),
        {"type": "signature_delta", "signature": _SIGNATURE},
    ]


def _streamed_tool_use(call: Call, number: int) -> _StreamedBlock:
    arguments = json.dumps(call.arguments)
    # Claude always begins with an empty piece.
    pieces = ("", arguments[:5], arguments[5:])
    return [
        {**_tool_use(call, number), "input": {}},
        *_deltas("input_json_delta", "partial_json", pieces),
    ]


# Examples

_TEXT = Example(
    whole=_message((9, 7), "end_turn", _text("Grüße, Welt! 🌍")),
    events=_stream((9, 7), "end_turn", _streamed_text("Grüße", ", Welt", "! 🌍")),
    means=Meaning(text="Grüße, Welt! 🌍"),
    usage=(9, 7),
)

_LENGTH = Example(
    whole=_message((9, 2), "max_tokens", _text("Grüße, We")),
    events=_stream((9, 2), "max_tokens", _streamed_text("Grüße", ", We")),
    means=Meaning(text="Grüße, We", finish_reason="length"),
    usage=(9, 2),
)

_TOOL_CALL = Example(
    whole=_message((31, 12), "tool_use", _text("I look."), _tool_use(_WEATHER, 0)),
    events=_stream(
        (31, 12),
        "tool_use",
        _streamed_text("I ", "look."),
        _streamed_tool_use(_WEATHER, 0),
    ),
    means=Meaning(text="I look.", calls=(_WEATHER,), finish_reason="tool_calls"),
    usage=(31, 12),
    kept=("toolu_01A0", "I look."),
)

_PARALLEL_CALLS = Example(
    whole=_message(
        (31, 40),
        "tool_use",
        _thinking("Both."),
        _tool_use(_WEATHER, 0),
        _tool_use(_TIME, 1),
    ),
    events=_stream(
        (31, 40),
        "tool_use",
        _streamed_thinking("Both."),
        _streamed_tool_use(_WEATHER, 0),
        _streamed_tool_use(_TIME, 1),
    ),
    means=Meaning(
        calls=(_WEATHER, _TIME),
        reasoning="Both.",
        finish_reason="tool_calls",
    ),
    usage=(31, 40),
    kept=("toolu_01A0", "toolu_01A1", _SIGNATURE, "Both."),
)

_REASONING = Example(
    whole=_message((9, 14), "end_turn", _thinking("Six times seven."), _REDACTED, _text("42")),
    events=_stream(
        (9, 14),
        "end_turn",
        _streamed_thinking("Six times", " seven."),
        [_REDACTED],
        _streamed_text("42"),
    ),
    means=Meaning(text="42", reasoning="Six times seven."),
    usage=(9, 14),
)

_EMPTY = Example(
    whole=_message((9, 1), "end_turn"),
    events=_stream((9, 1), "end_turn"),
    usage=(9, 1),
)

_BLOCKED = Example(
    whole=_message((9, 1), "refusal", _text("I")),
    events=_stream((9, 1), "refusal", _streamed_text("I")),
    means=Meaning(text="I", finish_reason="content_filter"),
    usage=(9, 1),
)


def _failure(status: int, type_: str, message: str, kind: ErrorKind | None = None) -> Failure:
    body = {
        "type": "error",
        "error": {"type": type_, "message": message},
        "request_id": "req_01",
    }
    return Failure(status, body, kind, message)


_FAILURES = (
    # An error after the status was sent.
    _failure(200, "overloaded_error", "Overloaded after the answer began", ErrorKind.OVERLOADED),
    # The same type for three kinds, which only the message tells apart.
    _failure(400, "invalid_request_error", "max_tokens: must be greater than 0"),
    _failure(
        400, "invalid_request_error", "prompt is too long: 9 tokens > 8", ErrorKind.CONTEXT_LENGTH
    ),
    _failure(400, "invalid_request_error", "Your credit balance is too low", ErrorKind.QUOTA),
    _failure(401, "authentication_error", "invalid x-api-key"),
    _failure(403, "permission_error", "Your key may not use this resource"),
    _failure(404, "not_found_error", "model: claude-x"),
    _failure(413, "request_too_large", "Request exceeds the maximum size"),
    _failure(429, "rate_limit_error", "This request would exceed your rate limit"),
    _failure(500, "api_error", "Internal server error"),
    _failure(504, "timeout_error", "The request timed out"),
    _failure(529, "overloaded_error", "Overloaded"),
)

_OVERLOADED = {"type": "overloaded_error", "message": "Overloaded, try again later"}

ANTHROPIC = Wire(
    text=_TEXT,
    length=_LENGTH,
    tool_call=_TOOL_CALL,
    parallel_calls=_PARALLEL_CALLS,
    reasoning=_REASONING,
    empty=_EMPTY,
    blocked=_BLOCKED,
    failures=_FAILURES,
    stream_failures=(_event("error", error=_OVERLOADED),),
    ignored=(
        _event("ping"),
        _event("an_event_of_the_future", value=1),
    ),
    auth=frozenset({"x-api-key"}),
    # A model with thinking budgets: it returns thinking, and accepts forced tool calls.
    model="claude-sonnet-4-5",
)

VERTEX = replace(
    ANTHROPIC,
    auth=frozenset({"authorization"}),
    base="/v1/projects/p/locations/global/publishers/anthropic",
)
