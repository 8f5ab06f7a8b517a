"""Gemini's generateContent by example, at the Gemini API and at Vertex AI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from llms_core.errors import ErrorKind
from llms_core.testing.wire import Call, Example, Failure, Meaning, Wire

_PARIS, _OSLO = Call(name="get_weather", arguments={"city": "Paris"}), Call(name="get_time", arguments={"city": "Oslo"})
_SIGNATURE = "CiQB0e2Kb4c5Yg"

Json = dict[str, Any]


def _answer(usage: tuple[int, ...], *candidates: Mapping[str, Any]) -> Json:
    """`usage`: tokens of the prompt, of the answer, and of thoughts where there are any."""
    counts = {"promptTokenCount": usage[0], "candidatesTokenCount": usage[1], "totalTokenCount": sum(usage)}
    counts |= {"thoughtsTokenCount": usage[2]} if len(usage) > 2 else {}
    return {"candidates": list(candidates), "usageMetadata": counts, "modelVersion": "gemini-3", "responseId": "r-7Ab"}


def _said(*parts: Mapping[str, Any], reason: str | None = None, index: int = 0, **more: Any) -> Json:
    ended = {"finishReason": reason} if reason else {}
    return {"content": {"role": "model", "parts": list(parts)}, "index": index, **ended, **more}


def _pieces(usage: tuple[int, ...], *parts: Mapping[str, Any], reason: str = "STOP") -> Sequence[Json]:
    """A stream: each part in an event, the usage of the answer with the last."""
    last = _answer(usage, _said({"text": ""}, reason=reason))
    return [*(_answer((usage[0], 0), _said(part)) for part in parts), last]


def _call(call: Call, **more: Any) -> Json:
    return {"functionCall": {"name": call.name, "args": call.arguments}, **more}


def _failure(status: int, name: str, message: str, kind: ErrorKind | None = None, **more: Any) -> Failure:
    return Failure(status, {"error": {"code": status, "message": message, "status": name, **more}}, kind, message)


def _detail(name: str, **members: Any) -> Json:
    return {"@type": f"type.googleapis.com/google.rpc.{name}", **members}


_BLOCKED = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}}
_TOKENS = {"chosenCandidates": [{"token": "Ja", "logProbability": -0.25}], "topCandidates": [{"candidates": []}]}
_OVERLOADED = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
_LIMIT = "Quota exceeded for requests in a minute"

GOOGLE = Wire(
    text=Example(
        whole=_answer((9, 7), _said({"text": "Grüße, Welt! 🌍"}, reason="STOP")),
        events=_pieces((9, 7), {"text": "Grüße"}, {"text": ", Welt"}, {"text": "! 🌍"}),
        means=Meaning(text="Grüße, Welt! 🌍"),
        usage=(9, 7),
    ),
    length=Example(
        whole=_answer((9, 2), _said({"text": "Grüße, We"}, reason="MAX_TOKENS")),
        events=_pieces((9, 2), {"text": "Grüße"}, {"text": ", We"}, reason="MAX_TOKENS"),
        means=Meaning(text="Grüße, We", finish_reason="length"),
        usage=(9, 2),
    ),
    tool_call=Example(
        whole=_answer((31, 12), _said(_call(_PARIS, thoughtSignature=_SIGNATURE), reason="STOP")),
        events=_pieces((31, 12), _call(_PARIS, thoughtSignature=_SIGNATURE)),
        means=Meaning(calls=(_PARIS,), finish_reason="tool_calls"),
        usage=(31, 12),
        kept=(_SIGNATURE,),
    ),
    parallel_calls=Example(
        whole=_answer(
            (31, 25), _said({"text": "Both."}, _call(_PARIS, thoughtSignature=_SIGNATURE), _call(_OSLO), reason="STOP")
        ),
        events=_pieces((31, 25), {"text": "Both."}, _call(_PARIS, thoughtSignature=_SIGNATURE), _call(_OSLO)),
        means=Meaning(text="Both.", calls=(_PARIS, _OSLO), finish_reason="tool_calls"),
        usage=(31, 25),
        kept=(_SIGNATURE, "Both."),
    ),
    reasoning=Example(
        whole=_answer((9, 1, 13), _said({"text": "Six times seven.", "thought": True}, {"text": "42"}, reason="STOP")),
        events=_pieces(
            (9, 1, 13), {"text": "Six times", "thought": True}, {"text": " seven.", "thought": True}, {"text": "42"}
        ),
        means=Meaning(text="42", reasoning="Six times seven."),
        usage=(9, 14),
    ),
    several=Example(
        whole=_answer((9, 4), _said({"text": "Ja"}, reason="STOP"), _said({"text": "Ja"}, reason="STOP", index=1)),
        events=[
            _answer((9, 0), _said({"text": "J"}), _said({"text": "J"}, index=1)),
            _answer((9, 2), _said({"text": "a"}, reason="STOP")),
            _answer((9, 4), _said({"text": "a"}, reason="STOP", index=1)),
        ],
        means=(Meaning(text="Ja"), Meaning(text="Ja")),
        usage=(9, 4),
    ),
    # The Gemini API gives none in streams.
    logprobs=Example(
        whole=_answer((9, 1), _said({"text": "Ja"}, reason="STOP", logprobsResult=_TOKENS)),
        means=Meaning(text="Ja"),
        usage=(9, 1),
    ),
    empty=Example(
        whole=_answer((9, 0), {"finishReason": "STOP", "index": 0}),
        events=[_answer((9, 0), {"finishReason": "STOP", "index": 0})],
        usage=(9, 0),
    ),
    blocked=Example(
        whole=_BLOCKED,
        events=[_BLOCKED],
        means=Meaning(finish_reason="content_filter"),
        usage=(9, 0),
    ),
    failures=(
        Failure(200, _OVERLOADED, ErrorKind.OVERLOADED),
        _failure(400, "INVALID_ARGUMENT", "Invalid value at 'contents'"),
        _failure(
            400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", ErrorKind.AUTH,
            details=[_detail("ErrorInfo", reason="API_KEY_INVALID")],
        ),
        _failure(
            400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (8).",
            ErrorKind.CONTEXT_LENGTH,
        ),
        _failure(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
        _failure(403, "PERMISSION_DENIED", "The caller does not have permission"),
        _failure(404, "NOT_FOUND", "models/gemini-x is not found for API version v1beta"),
        _failure(429, "RESOURCE_EXHAUSTED", _LIMIT),
        Failure(
            429,
            {"error": {"code": 429, "message": _LIMIT, "status": "RESOURCE_EXHAUSTED",
                       "details": [_detail("RetryInfo", retryDelay="17s")]}},
            ErrorKind.RATE_LIMIT, _LIMIT, retry_after=17,
        ),
        _failure(500, "INTERNAL", "An internal error has occurred"),
        _failure(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
        _failure(504, "DEADLINE_EXCEEDED", "Deadline expired before the operation could complete."),
    ),
    stream_failures=(_OVERLOADED,),
    ignored=(_answer((9, 0), {"index": 0}),),
    auth=frozenset({"x-goog-api-key"}),
    model="gemini-3-flash",
)  # fmt: skip

VERTEX = replace(
    GOOGLE,
    logprobs=Example(
        whole=_answer((9, 1), _said({"text": "Ja"}, reason="STOP", logprobsResult=_TOKENS)),
        events=[_answer((9, 1), _said({"text": "Ja"}, reason="STOP", logprobsResult=_TOKENS))],
        means=Meaning(text="Ja"),
        usage=(9, 1),
    ),
    auth=frozenset({"authorization"}),
    base="/v1/projects/conformance/locations/global/publishers/google",
)
