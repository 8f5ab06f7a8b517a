"""OpenAI's own protocol by example: every OpenAICompatible adapter is tested with it, unless its spec names another."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llms_core.errors import ErrorKind
from llms_core.testing.wire import Call, Event, Example, Failure, Meaning, Wire

_FRAME: Mapping[str, Any] = {"id": "chatcmpl-8xY2", "created": 1_700_000_123, "model": "gpt-2026-01"}
_PARIS, _OSLO = Call(name="get_weather", arguments={"city": "Paris"}), Call(name="get_time", arguments={"city": "Oslo"})


def _usage(usage: tuple[int, int]) -> dict[str, int]:
    return {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}


def _whole(usage: tuple[int, int], *messages: Mapping[str, Any], finish: str = "stop", **choice: Any) -> dict[str, Any]:
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": None, **message},
            "finish_reason": finish,
            **choice,
        }
        for index, message in enumerate(messages)
    ]
    return {**_FRAME, "object": "chat.completion", "choices": choices, "usage": _usage(usage)}


def _chunk(delta: Mapping[str, Any], index: int = 0, finish: str | None = None, **choice: Any) -> dict[str, Any]:
    choices = [{"index": index, "delta": delta, "finish_reason": finish, **choice}]
    return {**_FRAME, "object": "chat.completion.chunk", "choices": choices}


def _stream(
    usage: tuple[int, int], *deltas: Mapping[str, Any], finish: str = "stop", choices: int = 1, **choice: Any
) -> Sequence[Event]:
    begins = [_chunk({"role": "assistant", "content": ""}, index) for index in range(choices)]
    pieces = [_chunk(delta, index, **choice) for index in range(choices) for delta in deltas]
    ends = [_chunk({}, index, finish) for index in range(choices)]
    total = {**_FRAME, "object": "chat.completion.chunk", "choices": [], "usage": _usage(usage)}
    return [*begins, *pieces, *ends, total, "[DONE]"]


def _called(call: Call, number: int, **more: Any) -> dict[str, Any]:
    function = {"name": call.name, "arguments": json.dumps(call.arguments)}
    return {**more, "id": f"call_Aa{number}", "type": "function", "function": function}


def _called_in_pieces(call: Call, number: int) -> list[dict[str, Any]]:
    """The call's begin, and its arguments in three pieces."""
    text = json.dumps(call.arguments)
    begin = _called(call, number, index=number)
    begin["function"] = {"name": call.name, "arguments": ""}
    pieces = (text[:3], text[3:9], text[9:])
    more = [{"index": number, "function": {"arguments": piece}} for piece in pieces]
    return [{"tool_calls": [fragment]} for fragment in (begin, *more)]


def _error(message: str, kind: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


_LOGPROBS = {"content": [{"token": "Ja", "logprob": -0.25, "bytes": [74, 97], "top_logprobs": []}], "refusal": None}

OPENAI = Wire(
    text=Example(
        whole=_whole((9, 7), {"content": "Grüße, Welt! 🌍"}),
        events=_stream((9, 7), {"content": "Grüße"}, {"content": ", Welt"}, {"content": "! 🌍"}),
        means=Meaning(text="Grüße, Welt! 🌍"),
        usage=(9, 7),
    ),
    length=Example(
        whole=_whole((9, 2), {"content": "Grüße, We"}, finish="length"),
        events=_stream((9, 2), {"content": "Grüße"}, {"content": ", We"}, finish="length"),
        means=Meaning(text="Grüße, We", finish_reason="length"),
        usage=(9, 2),
    ),
    tool_call=Example(
        whole=_whole((31, 12), {"tool_calls": [_called(_PARIS, 0)]}, finish="tool_calls"),
        events=_stream((31, 12), *_called_in_pieces(_PARIS, 0), finish="tool_calls"),
        means=Meaning(calls=(_PARIS,), finish_reason="tool_calls"),
        usage=(31, 12),
    ),
    parallel_calls=Example(
        whole=_whole((31, 25), {"tool_calls": [_called(_PARIS, 0), _called(_OSLO, 1)]}, finish="tool_calls"),
        events=_stream(
            (31, 25), *_called_in_pieces(_PARIS, 0), *_called_in_pieces(_OSLO, 1), finish="tool_calls"
        ),
        means=Meaning(calls=(_PARIS, _OSLO), finish_reason="tool_calls"),
        usage=(31, 25),
    ),
    reasoning=Example(
        whole=_whole((9, 14), {"content": "42", "reasoning_content": "Six times seven."}),
        events=_stream(
            (9, 14), {"reasoning_content": "Six times"}, {"reasoning_content": " seven."}, {"content": "42"}
        ),
        means=Meaning(text="42", reasoning="Six times seven."),
        usage=(9, 14),
    ),
    several=Example(
        whole=_whole((9, 4), {"content": "Ja"}, {"content": "Ja"}),
        events=_stream((9, 4), {"content": "J"}, {"content": "a"}, choices=2),
        means=(Meaning(text="Ja"), Meaning(text="Ja")),
        usage=(9, 4),
    ),
    logprobs=Example(
        whole=_whole((9, 1), {"content": "Ja"}, logprobs=_LOGPROBS),
        events=_stream((9, 1), {"content": "Ja"}, logprobs=_LOGPROBS),
        means=Meaning(text="Ja"),
        usage=(9, 1),
    ),
    empty=Example(
        whole=_whole((9, 0), {"content": ""}), events=_stream((9, 0)), means=Meaning(text=""), usage=(9, 0)
    ),
    blocked=Example(
        whole=_whole((9, 1), {"content": "I"}, finish="content_filter"),
        events=_stream((9, 1), {"content": "I"}, finish="content_filter"),
        means=Meaning(text="I", finish_reason="content_filter"),
        usage=(9, 1),
    ),
    failures=(
        Failure(200, _error("Rate limit reached for tokens", "tokens", "rate_limit_exceeded"), ErrorKind.RATE_LIMIT),
        Failure(200, {"error": {"message": "The provider behind this one failed", "code": 502}}, ErrorKind.OVERLOADED),
        Failure(400, _error("Invalid value for 'temperature'", "invalid_request_error", "invalid_value")),
        Failure(
            400,
            _error("This model's maximum context length is 8192 tokens", "invalid_request", "context_length_exceeded"),
            ErrorKind.CONTEXT_LENGTH,
        ),
        Failure(401, _error("Incorrect API key provided", "invalid_request_error", "invalid_api_key")),
        Failure(403, _error("You are not allowed to sample from this model", "invalid_request_error")),
        Failure(404, _error("The model `x` does not exist", "invalid_request_error", "model_not_found")),
        Failure(413, _error("The request is too large for this service", "invalid_request_error")),
        Failure(422, _error("The field `seed` is not one of this API's", "invalid_request_error")),
        Failure(429, _error("Rate limit reached for requests per minute", "requests", "rate_limit_exceeded")),
        Failure(
            429, _error("You exceeded your current quota", "insufficient_quota", "insufficient_quota"), ErrorKind.QUOTA
        ),
        Failure(500, _error("The server had an error", "server_error")),
        Failure(503, _error("The engine is currently overloaded", "server_error")),
    ),
    stream_failures=(_error("The server had an error while processing your request", "server_error"),),
)  # fmt: skip
