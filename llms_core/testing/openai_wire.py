"""OpenAI's own protocol by example: used for every OpenAICompatible adapter unless its spec names another Wire."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llms_core.errors import ErrorKind
from llms_core.testing.wire import Call, EmbeddingExample, Event, Example, Failure, Meaning, Wire

_ENVELOPE: Mapping[str, Any] = {
    "id": "chatcmpl-8xY2",
    "created": 1_700_000_123,
    "model": "gpt-2026-01",
}
_PARIS = Call(name="get_weather", arguments={"city": "Paris"})
_OSLO = Call(name="get_time", arguments={"city": "Oslo"})

#: The tokens of a prompt and of its answer.
_Tokens = tuple[int, int]


def _usage(tokens: _Tokens) -> dict[str, int]:
    return {
        "prompt_tokens": tokens[0],
        "completion_tokens": tokens[1],
        "total_tokens": sum(tokens),
    }


def _whole(
    tokens: _Tokens, *messages: Mapping[str, Any], finish: str = "stop", **more: Any
) -> dict[str, Any]:
    """A chat.completion with one choice for each message; `more` are further members of each choice."""
    choices = []
    for index, message in enumerate(messages):
        choice = {
            "index": index,
            "message": {"role": "assistant", "content": None, **message},
            "finish_reason": finish,
            **more,
        }
        choices.append(choice)
    return {
        **_ENVELOPE,
        "object": "chat.completion",
        "choices": choices,
        "usage": _usage(tokens),
    }


def _chunk(
    delta: Mapping[str, Any], index: int = 0, finish: str | None = None, **more: Any
) -> dict[str, Any]:
    choice = {
        "index": index,
        "delta": delta,
        "finish_reason": finish,
        **more,
    }
    return {
        **_ENVELOPE,
        "object": "chat.completion.chunk",
        "choices": [choice],
    }


def _stream(
    tokens: _Tokens, *deltas: Mapping[str, Any], finish: str = "stop", choices: int = 1, **more: Any
) -> Sequence[Event]:
    """The chunks of a stream in which every choice has the same deltas."""
    indices = range(choices)
    events: list[Event] = [_chunk({"role": "assistant", "content": ""}, index) for index in indices]
    for index in indices:
        events += [_chunk(delta, index, **more) for delta in deltas]
    events += [_chunk({}, index, finish) for index in indices]
    usage_chunk = {
        **_ENVELOPE,
        "object": "chat.completion.chunk",
        "choices": [],
        "usage": _usage(tokens),
    }
    return [*events, usage_chunk, "[DONE]"]


def _tool_call(call: Call, number: int) -> dict[str, Any]:
    return {
        "id": f"call_Aa{number}",
        "type": "function",
        "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
    }


def _tool_call_deltas(call: Call, number: int) -> list[dict[str, Any]]:
    """The beginning of a call without arguments, then its arguments in three pieces."""
    arguments = json.dumps(call.arguments)
    begin = {
        "index": number,
        **_tool_call(call, number),
        "function": {"name": call.name, "arguments": ""},
    }
    pieces = (arguments[:3], arguments[3:9], arguments[9:])
    fragments = [{"index": number, "function": {"arguments": piece}} for piece in pieces]
    return [{"tool_calls": [fragment]} for fragment in (begin, *fragments)]


def _error(message: str, kind: str, code: str | None = None) -> dict[str, Any]:
    return {
        "error": {
            "message": message,
            "type": kind,
            "param": None,
            "code": code,
        }
    }


_LOGPROBS = {
    "content": [{"token": "Ja", "logprob": -0.25, "bytes": [74, 97], "top_logprobs": []}],
    "refusal": None,
}

FAILURES = (
    # Some providers and proxies send errors with a success status.
    Failure(
        200,
        _error("Rate limit reached for tokens", "tokens", "rate_limit_exceeded"),
        ErrorKind.RATE_LIMIT,
    ),
    # OpenRouter reports the failure of a provider behind it like this.
    Failure(
        200,
        {"error": {"message": "The provider behind this one failed", "code": 502}},
        ErrorKind.OVERLOADED,
    ),
    Failure(
        400, _error("Invalid value for 'temperature'", "invalid_request_error", "invalid_value")
    ),
    Failure(
        400,
        _error(
            "This model's maximum context length is 8192 tokens",
            "invalid_request",
            "context_length_exceeded",
        ),
        ErrorKind.CONTEXT_LENGTH,
    ),
    Failure(401, _error("Incorrect API key provided", "invalid_request_error", "invalid_api_key")),
    Failure(403, _error("You are not allowed to sample from this model", "invalid_request_error")),
    Failure(
        404, _error("The model `x` does not exist", "invalid_request_error", "model_not_found")
    ),
    Failure(413, _error("The request is too large for this service", "invalid_request_error")),
    Failure(422, _error("The field `seed` is not one of this API's", "invalid_request_error")),
    Failure(
        429, _error("Rate limit reached for requests per minute", "requests", "rate_limit_exceeded")
    ),
    # A quota that is used up has the same status as a rate limit, but waiting does not help.
    Failure(
        429,
        _error("You exceeded your current quota", "insufficient_quota", "insufficient_quota"),
        ErrorKind.QUOTA,
    ),
    Failure(500, _error("The server had an error", "server_error")),
    Failure(503, _error("The engine is currently overloaded", "server_error")),
)

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
        whole=_whole((31, 12), {"tool_calls": [_tool_call(_PARIS, 0)]}, finish="tool_calls"),
        events=_stream((31, 12), *_tool_call_deltas(_PARIS, 0), finish="tool_calls"),
        means=Meaning(calls=(_PARIS,), finish_reason="tool_calls"),
        usage=(31, 12),
    ),
    parallel_calls=Example(
        whole=_whole(
            (31, 25),
            {"tool_calls": [_tool_call(_PARIS, 0), _tool_call(_OSLO, 1)]},
            finish="tool_calls",
        ),
        events=_stream(
            (31, 25),
            *_tool_call_deltas(_PARIS, 0),
            *_tool_call_deltas(_OSLO, 1),
            finish="tool_calls",
        ),
        means=Meaning(calls=(_PARIS, _OSLO), finish_reason="tool_calls"),
        usage=(31, 25),
    ),
    # DeepSeek's name for the reasoning, which others have adopted; OpenAI itself does not show it.
    reasoning=Example(
        whole=_whole((9, 14), {"content": "42", "reasoning_content": "Six times seven."}),
        events=_stream(
            (9, 14),
            {"reasoning_content": "Six times"},
            {"reasoning_content": " seven."},
            {"content": "42"},
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
        whole=_whole((9, 0), {"content": ""}),
        events=_stream((9, 0)),
        means=Meaning(text=""),
        usage=(9, 0),
    ),
    blocked=Example(
        whole=_whole((9, 1), {"content": "I"}, finish="content_filter"),
        events=_stream((9, 1), {"content": "I"}, finish="content_filter"),
        means=Meaning(text="I", finish_reason="content_filter"),
        usage=(9, 1),
    ),
    failures=FAILURES,
    stream_failures=(
        _error("The server had an error while processing your request", "server_error"),
    ),
    embeddings=EmbeddingExample(
        whole={
            "object": "list",
            "data": [
                {"object": "embedding", "index": 1, "embedding": [0.0123, -0.5, 1]},
                {"object": "embedding", "index": 0, "embedding": [-0.0023064255, 1e-7, 0.25]},
            ],
            "model": "text-embedding-2026-01",
            "usage": {"prompt_tokens": 8, "total_tokens": 8},
        },
        vectors=[[-0.0023064255, 1e-7, 0.25], [0.0123, -0.5, 1]],
        tokens=8,
    ),
)
