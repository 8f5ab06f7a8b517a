"""Anthropic's Messages by example."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llms_core.errors import ErrorKind
from llms_core.testing.wire import Call, Event, Example, Failure, Meaning, Wire

_PARIS, _OSLO = Call(name="get_weather", arguments={"city": "Paris"}), Call(name="get_time", arguments={"city": "Oslo"})
_SIGNATURE = "EqQBCgIYAhIkMWVn"


def _message(usage: tuple[int, int], reason: str, *content: Mapping[str, Any]) -> dict[str, Any]:
    counts = {"input_tokens": usage[0], "output_tokens": usage[1]}
    return {
        "id": "msg_01Xy", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
        "content": content, "stop_reason": reason, "stop_sequence": None, "usage": counts,
    }  # fmt: skip


def _event(type_: str, **members: Any) -> Event:
    return type_, {"type": type_, **members}


def _stream(usage: tuple[int, int], reason: str, *blocks: Sequence[Mapping[str, Any]]) -> list[Event]:
    """`blocks`: of each its start, then its deltas."""
    message = {**_message((usage[0], 1), reason), "content": [], "stop_reason": None}
    events = [_event("message_start", message=message), _event("ping")]
    for index, (start, *deltas) in enumerate(blocks):
        events.append(_event("content_block_start", index=index, content_block=start))
        events += [_event("content_block_delta", index=index, delta=delta) for delta in deltas]
        events.append(_event("content_block_stop", index=index))
    end = {"stop_reason": reason, "stop_sequence": None}
    return [*events, _event("message_delta", delta=end, usage={"output_tokens": usage[1]}), _event("message_stop")]


def _text(*pieces: str) -> list[Mapping[str, Any]]:
    return [{"type": "text", "text": ""}, *({"type": "text_delta", "text": piece} for piece in pieces)]


def _use(call: Call, number: int, input_: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_01A{number}", "name": call.name, "input": input_}


def _use_in_pieces(call: Call, number: int) -> list[Mapping[str, Any]]:
    text = json.dumps(call.arguments)
    pieces = ("", text[:5], text[5:])
    return [_use(call, number, {}), *({"type": "input_json_delta", "partial_json": piece} for piece in pieces)]


def _failure(status: int, type_: str, message: str, kind: ErrorKind | None = None) -> Failure:
    body = {"type": "error", "error": {"type": type_, "message": message}, "request_id": "req_01"}
    return Failure(status, body, kind, message)


_OVERLOADED = {"type": "overloaded_error", "message": "Overloaded, try again later"}

ANTHROPIC = Wire(
    text=Example(
        whole=_message((9, 7), "end_turn", {"type": "text", "text": "Grüße, Welt! 🌍"}),
        events=_stream((9, 7), "end_turn", _text("Grüße", ", Welt", "! 🌍")),
        means=Meaning(text="Grüße, Welt! 🌍"),
        usage=(9, 7),
    ),
    length=Example(
        whole=_message((9, 2), "max_tokens", {"type": "text", "text": "Grüße, We"}),
        events=_stream((9, 2), "max_tokens", _text("Grüße", ", We")),
        means=Meaning(text="Grüße, We", finish_reason="length"),
        usage=(9, 2),
    ),
    tool_call=Example(
        whole=_message(
            (31, 12), "tool_use", {"type": "text", "text": "I look."}, _use(_PARIS, 0, _PARIS.arguments)
        ),
        events=_stream((31, 12), "tool_use", _text("I ", "look."), _use_in_pieces(_PARIS, 0)),
        means=Meaning(text="I look.", calls=(_PARIS,), finish_reason="tool_calls"),
        usage=(31, 12),
        kept=("toolu_01A0", "I look."),
    ),
    parallel_calls=Example(
        whole=_message(
            (31, 40), "tool_use",
            {"type": "thinking", "thinking": "Both.", "signature": _SIGNATURE},
            _use(_PARIS, 0, _PARIS.arguments), _use(_OSLO, 1, _OSLO.arguments),
        ),
        events=_stream(
            (31, 40), "tool_use",
            [
                {"type": "thinking", "thinking": "", "signature": ""},
                {"type": "thinking_delta", "thinking": "Both."},
                {"type": "signature_delta", "signature": _SIGNATURE},
            ],
            _use_in_pieces(_PARIS, 0), _use_in_pieces(_OSLO, 1),
        ),
        means=Meaning(calls=(_PARIS, _OSLO), reasoning="Both.", finish_reason="tool_calls"),
        usage=(31, 40),
        kept=("toolu_01A0", "toolu_01A1", _SIGNATURE, "Both."),
    ),
    reasoning=Example(
        whole=_message(
            (9, 14), "end_turn",
            {"type": "thinking", "thinking": "Six times seven.", "signature": _SIGNATURE},
            {"type": "redacted_thinking", "data": "c2VjcmV0"}, {"type": "text", "text": "42"},
        ),
        events=_stream(
            (9, 14), "end_turn",
            [
                {"type": "thinking", "thinking": "", "signature": ""},
                {"type": "thinking_delta", "thinking": "Six times"},
                {"type": "thinking_delta", "thinking": " seven."},
                {"type": "signature_delta", "signature": _SIGNATURE},
            ],
            [{"type": "redacted_thinking", "data": "c2VjcmV0"}], _text("42"),
        ),
        means=Meaning(text="42", reasoning="Six times seven."),
        usage=(9, 14),
    ),
    empty=Example(whole=_message((9, 1), "end_turn"), events=_stream((9, 1), "end_turn"), usage=(9, 1)),
    blocked=Example(
        whole=_message((9, 1), "refusal", {"type": "text", "text": "I"}),
        events=_stream((9, 1), "refusal", _text("I")),
        means=Meaning(text="I", finish_reason="content_filter"),
        usage=(9, 1),
    ),
    failures=(
        _failure(200, "overloaded_error", "Overloaded, and said late", ErrorKind.OVERLOADED),
        _failure(400, "invalid_request_error", "max_tokens: must be greater than 0"),
        _failure(400, "invalid_request_error", "prompt is too long: 9 tokens > 8", ErrorKind.CONTEXT_LENGTH),
        _failure(400, "invalid_request_error", "Your credit balance is too low", ErrorKind.QUOTA),
        _failure(401, "authentication_error", "invalid x-api-key"),
        _failure(403, "permission_error", "Your key may not use this resource"),
        _failure(404, "not_found_error", "model: claude-x"),
        _failure(413, "request_too_large", "Request exceeds the maximum size"),
        _failure(429, "rate_limit_error", "This request would exceed your rate limit"),
        _failure(500, "api_error", "Internal server error"),
        _failure(504, "timeout_error", "The request timed out"),
        _failure(529, "overloaded_error", "Overloaded"),
    ),
    stream_failures=(_event("error", error=_OVERLOADED),),
    ignored=(_event("ping"), _event("an_event_of_the_future", value=1)),
    auth=frozenset({"x-api-key"}),
    model="claude-sonnet-4-5",
)  # fmt: skip
