"""Examples of Cohere's chat API, version 2, for the conformance suite."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llms_core.errors import ErrorKind
from llms_core.testing.wire import Call, EmbeddingExample, Event, Example, Failure, Meaning, Wire

Json = dict[str, Any]

_PARIS = Call(name="get_weather", arguments={"city": "Paris"})
_OSLO = Call(name="get_time", arguments={"city": "Oslo"})
_PLAN = "I look both up."
_TOKENS = {"text": "Ja", "token_ids": [7], "logprobs": [-0.25]}


def _usage(usage: tuple[int, int]) -> Json:
    counts = {"input_tokens": usage[0], "output_tokens": usage[1]}
    # Billed units differ from the token counts, so that a test notices if they are confused.
    billed = {"input_tokens": 5, "output_tokens": usage[1]}
    return {"billed_units": billed, "tokens": counts, "cached_tokens": 0}


def _answer(
    usage: tuple[int, int],
    reason: str,
    *content: Mapping[str, Any],
    logprobs: Sequence[Mapping[str, Any]] | None = None,
    **message: Any,
) -> Json:
    """A whole answer. Keyword arguments other than `logprobs` are members of the message."""
    answer: Json = {
        "id": "c-7Ab",
        "message": {"role": "assistant", "content": list(content), **message},
        "finish_reason": reason,
        "usage": _usage(usage),
    }
    if logprobs is not None:
        answer["logprobs"] = logprobs
    return answer


def _event(type_: str, message: Mapping[str, Any] | None = None, **members: Any) -> Event:
    data = {"type": type_, **members}
    if message is not None:
        data["delta"] = {"message": message}
    return type_, data


def _stream(usage: tuple[int, int], reason: str, *events: Event) -> Sequence[Event]:
    empty_message = {
        "role": "assistant",
        "content": [],
        "tool_plan": "",
        "tool_calls": [],
        "citations": [],
    }
    end = {"finish_reason": reason, "usage": _usage(usage)}
    return [
        _event("message-start", empty_message, id="c-7Ab"),
        *events,
        ("message-end", {"type": "message-end", "id": "c-7Ab", "delta": end}),
    ]


def _content(*pieces: str, index: int = 0, kind: str = "text", **members: Any) -> list[Event]:
    """The events of one content block. `members` are further members of its deltas."""
    start = {"content": {"type": kind, kind: ""}}
    deltas = [
        _event("content-delta", {"content": {kind: piece}}, index=index, **members)
        for piece in pieces
    ]
    return [
        _event("content-start", start, index=index),
        *deltas,
        _event("content-end", index=index),
    ]


def _tool_call(call: Call, number: int) -> Json:
    function = {"name": call.name, "arguments": json.dumps(call.arguments)}
    return {"id": f"{call.name}_x{number}", "type": "function", "function": function}


def _tool_call_events(call: Call, number: int) -> list[Event]:
    """The events of one tool call, its arguments in two pieces."""
    arguments = json.dumps(call.arguments)
    start = {**_tool_call(call, number), "function": {"name": call.name, "arguments": ""}}
    events = [_event("tool-call-start", {"tool_calls": start}, index=number)]
    for piece in (arguments[:4], arguments[4:]):
        delta = {"tool_calls": {"function": {"arguments": piece}}}
        events.append(_event("tool-call-delta", delta, index=number))
    events.append(_event("tool-call-end", index=number))
    return events


def _failure(status: int, message: str, kind: ErrorKind | None = None) -> Failure:
    return Failure(status, {"id": "e-1", "message": message}, kind, message)


COHERE = Wire(
    text=Example(
        whole=_answer((9, 7), "COMPLETE", {"type": "text", "text": "Grüße, Welt! 🌍"}),
        events=_stream((9, 7), "COMPLETE", *_content("Grüße", ", Welt", "! 🌍")),
        means=Meaning(text="Grüße, Welt! 🌍"),
        usage=(9, 7),
    ),
    length=Example(
        whole=_answer((9, 2), "MAX_TOKENS", {"type": "text", "text": "Grüße, We"}),
        events=_stream((9, 2), "MAX_TOKENS", *_content("Grüße", ", We")),
        means=Meaning(text="Grüße, We", finish_reason="length"),
        usage=(9, 2),
    ),
    tool_call=Example(
        whole=_answer((31, 12), "TOOL_CALL", tool_calls=[_tool_call(_PARIS, 0)]),
        events=_stream((31, 12), "TOOL_CALL", *_tool_call_events(_PARIS, 0)),
        means=Meaning(calls=(_PARIS,), finish_reason="tool_calls"),
        usage=(31, 12),
        kept=("get_weather_x0",),
    ),
    parallel_calls=Example(
        whole=_answer(
            (31, 25),
            "TOOL_CALL",
            tool_plan=_PLAN,
            tool_calls=[_tool_call(_PARIS, 0), _tool_call(_OSLO, 1)],
        ),
        events=_stream(
            (31, 25),
            "TOOL_CALL",
            _event("tool-plan-delta", {"tool_plan": _PLAN[:6]}),
            _event("tool-plan-delta", {"tool_plan": _PLAN[6:]}),
            *_tool_call_events(_PARIS, 0),
            *_tool_call_events(_OSLO, 1),
        ),
        means=Meaning(calls=(_PARIS, _OSLO), reasoning=_PLAN, finish_reason="tool_calls"),
        usage=(31, 25),
        kept=("get_weather_x0", "get_time_x1", _PLAN),
    ),
    reasoning=Example(
        whole=_answer(
            (9, 14),
            "COMPLETE",
            {"type": "thinking", "thinking": "Six times seven."},
            {"type": "text", "text": "42"},
        ),
        events=_stream(
            (9, 14),
            "COMPLETE",
            *_content("Six times", " seven.", kind="thinking"),
            *_content("42", index=1),
        ),
        means=Meaning(text="42", reasoning="Six times seven."),
        usage=(9, 14),
    ),
    logprobs=Example(
        whole=_answer((9, 1), "COMPLETE", {"type": "text", "text": "Ja"}, logprobs=[_TOKENS]),
        events=_stream((9, 1), "COMPLETE", *_content("Ja", logprobs=_TOKENS)),
        means=Meaning(text="Ja"),
        usage=(9, 1),
    ),
    empty=Example(
        whole=_answer((9, 0), "COMPLETE"),
        events=_stream((9, 0), "COMPLETE"),
        means=Meaning(),
        usage=(9, 0),
    ),
    failures=(
        _failure(400, "invalid request: message must be at least 1 token long"),
        _failure(400, "too many tokens: size limit exceeded by 9 tokens", ErrorKind.CONTEXT_LENGTH),
        _failure(401, "invalid api token"),
        _failure(403, "Please contact Cohere about access"),
        _failure(404, "model 'command-x' not found, make sure the correct model ID was used"),
        _failure(422, "the field 'x' is not one of this request's"),
        _failure(429, "You are past the per minute request limit"),
        _failure(
            429,
            "You are using a Trial key, which is limited to 1000 API calls / month",
            ErrorKind.QUOTA,
        ),
        # 498 means overload for Groq, which is what the default classification assumes.
        _failure(498, "A deny-listed token is in the request", ErrorKind.CONTENT_POLICY),
        _failure(500, "An internal error came up"),
        _failure(503, "This service is not available now"),
    ),
    stream_failures=(
        (
            "message-end",
            {
                "type": "message-end",
                "delta": {"finish_reason": "ERROR", "error": "The model failed"},
            },
        ),
        {"message": "An internal error came up"},
    ),
    ignored=(
        _event("debug", prompt="x"),
        _event("citation-end", index=0),
    ),
    embeddings=EmbeddingExample(
        whole={
            "id": "5d6a",
            "embeddings": {"float": [[0.016, -0.0084, 0.25], [-0.5, 0.125, 0.0]]},
            "texts": ["grüße, welt!", "the second of several texts"],
            "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 9}},
            "response_type": "embeddings_by_type",
        },
        vectors=[[0.016, -0.0084, 0.25], [-0.5, 0.125, 0.0]],
        tokens=9,
        model="embed-v4.0",
    ),
)
