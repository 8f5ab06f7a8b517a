"""Examples of Gemini's `generateContent` for the conformance suite, at the Gemini API and at Vertex AI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from llms_core.errors import ErrorKind
from llms_core.testing.wire import Call, EmbeddingExample, Example, Failure, Meaning, Wire

Json = dict[str, Any]

_PARIS = Call(name="get_weather", arguments={"city": "Paris"})
_OSLO = Call(name="get_time", arguments={"city": "Oslo"})
_SIGNATURE = "CiQB0e2Kb4c5Yg"


def _usage(prompt: int, answer: int, thoughts: int | None = None) -> Json:
    """Return token counts; like Gemini's, without a count of thoughts if the model did not think."""
    usage = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": answer,
        "totalTokenCount": prompt + answer + (thoughts or 0),
    }
    if thoughts is not None:
        usage["thoughtsTokenCount"] = thoughts
    return usage


def _answer(usage: Mapping[str, int], *candidates: Mapping[str, Any]) -> Json:
    """Return a whole answer, or one event of a stream."""
    return {
        "candidates": list(candidates),
        "usageMetadata": usage,
        "modelVersion": "gemini-3",
        "responseId": "r-7Ab",
    }


def _candidate(
    *parts: Mapping[str, Any], finish: str | None = None, index: int = 0, **members: Any
) -> Json:
    candidate = {
        "content": {"role": "model", "parts": list(parts)},
        "index": index,
        **members,
    }
    if finish is not None:
        candidate["finishReason"] = finish
    return candidate


def _events(
    usage: Mapping[str, int], *parts: Mapping[str, Any], finish: str = "STOP"
) -> Sequence[Json]:
    """Return a stream with one event for each part. Only the last event has the count of the whole answer."""
    so_far = _usage(usage["promptTokenCount"], 0)
    events = [_answer(so_far, _candidate(part)) for part in parts]
    events.append(_answer(usage, _candidate({"text": ""}, finish=finish)))
    return events


def _call_part(call: Call, **members: Any) -> Json:
    return {"functionCall": {"name": call.name, "args": call.arguments}, **members}


def _error(status: int, name: str, message: str, *details: Mapping[str, Any]) -> Json:
    error: Json = {"code": status, "message": message, "status": name}
    if details:
        error["details"] = list(details)
    return {"error": error}


def _failure(
    status: int, name: str, message: str, kind: ErrorKind | None = None, **detail: Any
) -> Failure:
    """Return an error answer; `detail` are the members of its one detail, an ErrorInfo."""
    details = [_detail("ErrorInfo", **detail)] if detail else []
    return Failure(status, _error(status, name, message, *details), kind, message)


def _detail(name: str, **members: Any) -> Json:
    return {"@type": f"type.googleapis.com/google.rpc.{name}", **members}


# A blocked prompt: there is no candidate.
_BLOCKED = {
    "promptFeedback": {"blockReason": "SAFETY"},
    "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9},
}
_LOGPROBS = {
    "chosenCandidates": [{"token": "Ja", "logProbability": -0.25}],
    "topCandidates": [{"candidates": []}],
}
_OVERLOADED = _error(503, "UNAVAILABLE", "The model is overloaded.")
_RATE_LIMIT = "Quota exceeded for requests in a minute"
_TOO_LONG = "The input token count (9) exceeds the maximum number of tokens allowed (8)."

_ONE_CALL = _call_part(_PARIS, thoughtSignature=_SIGNATURE)
# Gemini signs only the first of several parallel calls.
_TWO_CALLS = (_ONE_CALL, _call_part(_OSLO))
_WITH_LOGPROBS = _answer(
    _usage(9, 1), _candidate({"text": "Ja"}, finish="STOP", logprobsResult=_LOGPROBS)
)
_EMPTY = _answer(_usage(9, 0), {"finishReason": "STOP", "index": 0})

GOOGLE = Wire(
    text=Example(
        whole=_answer(_usage(9, 7), _candidate({"text": "Grüße, Welt! 🌍"}, finish="STOP")),
        events=_events(_usage(9, 7), {"text": "Grüße"}, {"text": ", Welt"}, {"text": "! 🌍"}),
        means=Meaning(text="Grüße, Welt! 🌍"),
        usage=(9, 7),
    ),
    length=Example(
        whole=_answer(_usage(9, 2), _candidate({"text": "Grüße, We"}, finish="MAX_TOKENS")),
        events=_events(_usage(9, 2), {"text": "Grüße"}, {"text": ", We"}, finish="MAX_TOKENS"),
        means=Meaning(text="Grüße, We", finish_reason="length"),
        usage=(9, 2),
    ),
    tool_call=Example(
        whole=_answer(_usage(31, 12), _candidate(_ONE_CALL, finish="STOP")),
        events=_events(_usage(31, 12), _ONE_CALL),
        means=Meaning(calls=(_PARIS,), finish_reason="tool_calls"),
        usage=(31, 12),
        kept=(_SIGNATURE,),
    ),
    parallel_calls=Example(
        whole=_answer(_usage(31, 25), _candidate({"text": "Both."}, *_TWO_CALLS, finish="STOP")),
        events=_events(_usage(31, 25), {"text": "Both."}, *_TWO_CALLS),
        means=Meaning(text="Both.", calls=(_PARIS, _OSLO), finish_reason="tool_calls"),
        usage=(31, 25),
        kept=(_SIGNATURE, "Both."),
    ),
    reasoning=Example(
        whole=_answer(
            _usage(9, 1, 13),
            _candidate(
                {"text": "Six times seven.", "thought": True}, {"text": "42"}, finish="STOP"
            ),
        ),
        events=_events(
            _usage(9, 1, 13),
            {"text": "Six times", "thought": True},
            {"text": " seven.", "thought": True},
            {"text": "42"},
        ),
        means=Meaning(text="42", reasoning="Six times seven."),
        # OpenAI's count of the completion includes the reasoning.
        usage=(9, 14),
    ),
    several=Example(
        whole=_answer(
            _usage(9, 4),
            _candidate({"text": "Ja"}, finish="STOP"),
            _candidate({"text": "Ja"}, finish="STOP", index=1),
        ),
        events=[
            _answer(_usage(9, 0), _candidate({"text": "J"}), _candidate({"text": "J"}, index=1)),
            _answer(_usage(9, 2), _candidate({"text": "a"}, finish="STOP")),
            _answer(_usage(9, 4), _candidate({"text": "a"}, finish="STOP", index=1)),
        ],
        means=(Meaning(text="Ja"), Meaning(text="Ja")),
        usage=(9, 4),
    ),
    # No events: the Gemini API refuses log probabilities in streams.
    logprobs=Example(
        whole=_WITH_LOGPROBS,
        means=Meaning(text="Ja"),
        usage=(9, 1),
    ),
    empty=Example(
        whole=_EMPTY,
        events=[_EMPTY],
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
            400,
            "INVALID_ARGUMENT",
            "API key not valid. Please pass a valid API key.",
            ErrorKind.AUTH,
            reason="API_KEY_INVALID",
        ),
        _failure(400, "INVALID_ARGUMENT", _TOO_LONG, ErrorKind.CONTEXT_LENGTH),
        _failure(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
        _failure(403, "PERMISSION_DENIED", "The caller does not have permission"),
        _failure(404, "NOT_FOUND", "models/gemini-x is not found for API version v1beta"),
        _failure(429, "RESOURCE_EXHAUSTED", _RATE_LIMIT),
        Failure(
            429,
            _error(429, "RESOURCE_EXHAUSTED", _RATE_LIMIT, _detail("RetryInfo", retryDelay="17s")),
            ErrorKind.RATE_LIMIT,
            _RATE_LIMIT,
            retry_after=17,
        ),
        _failure(500, "INTERNAL", "An internal error has occurred"),
        _failure(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
        _failure(504, "DEADLINE_EXCEEDED", "Deadline expired before the operation could complete."),
    ),
    stream_failures=(_OVERLOADED,),
    ignored=(_answer(_usage(9, 0), {"index": 0}),),
    auth=frozenset({"x-goog-api-key"}),
    model="gemini-3-flash",
    embeddings=EmbeddingExample(
        whole={"embeddings": [{"values": [-0.02, 0.0125]}, {"values": [0.5, 0.25]}]},
        vectors=[[-0.02, 0.0125], [0.5, 0.25]],
        model="gemini-embedding-001",
    ),
)

VERTEX = replace(
    GOOGLE,
    logprobs=Example(
        whole=_WITH_LOGPROBS,
        events=[_WITH_LOGPROBS],
        means=Meaning(text="Ja"),
        usage=(9, 1),
    ),
    # A base URL with a project takes an OAuth token.
    auth=frozenset({"authorization"}),
    base="/v1/projects/conformance/locations/global/publishers/google",
    embeddings=EmbeddingExample(
        whole={
            "predictions": [
                {
                    "embeddings": {
                        "values": [-0.02, 0.0125],
                        "statistics": {"truncated": False, "token_count": 6},
                    }
                },
                {
                    "embeddings": {
                        "values": [0.5, 0.25],
                        "statistics": {"truncated": False, "token_count": 3},
                    }
                },
            ],
            "metadata": {"billableCharacterCount": 39},
        },
        vectors=[[-0.02, 0.0125], [0.5, 0.25]],
        tokens=9,
        model="text-embedding-005",
    ),
)
