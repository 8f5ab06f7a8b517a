"""Examples of Bedrock's Converse and ConverseStream for the conformance suite, with either kind of credentials."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from llms_core.errors import ErrorKind
from llms_core.testing.messages_wire import EVENTS
from llms_core.testing.wire import Call, EmbeddingExample, Event, Example, Failure, Meaning, Wire

Json = dict[str, Any]
#: A content block of a stream: its start, {} if it has none, and its deltas.
Block = Sequence[Mapping[str, Any]]

_PARIS = Call(name="get_weather", arguments={"city": "Paris"})
_OSLO = Call(name="get_time", arguments={"city": "Oslo"})
_SIGNATURE = "EqQBCgIYAhIkMWVn"


def _end(usage: tuple[int, int]) -> Json:
    """The usage and the metrics, at the end of every answer."""
    counts = {"inputTokens": usage[0], "outputTokens": usage[1], "totalTokens": sum(usage)}
    return {"usage": counts, "metrics": {"latencyMs": 9}}


def _answer(usage: tuple[int, int], reason: str, *content: Mapping[str, Any]) -> Json:
    message = {"role": "assistant", "content": list(content)}
    return {"output": {"message": message}, "stopReason": reason, **_end(usage)}


def _stream(usage: tuple[int, int], reason: str, *blocks: Block) -> list[Event]:
    events: list[Event] = [("messageStart", {"role": "assistant"})]
    for index, (start, *deltas) in enumerate(blocks):
        # Blocks of text and reasoning have no contentBlockStart.
        if start:
            events.append(("contentBlockStart", {"contentBlockIndex": index, "start": start}))
        events += [
            ("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}) for delta in deltas
        ]
        events.append(("contentBlockStop", {"contentBlockIndex": index}))
    events.append(("messageStop", {"stopReason": reason}))
    events.append(("metadata", _end(usage)))
    return events


def _text(*pieces: str) -> Block:
    deltas = [{"text": piece} for piece in pieces]
    return [{}, *deltas]


def _tool_use(call: Call, number: int) -> Json:
    return {
        "toolUse": {"toolUseId": f"tooluse_A{number}", "name": call.name, "input": call.arguments}
    }


def _tool_use_block(call: Call, number: int) -> Block:
    arguments = json.dumps(call.arguments)
    start = {"toolUse": {"toolUseId": f"tooluse_A{number}", "name": call.name}}
    # Bedrock's first delta is empty.
    deltas = [{"toolUse": {"input": piece}} for piece in ("", arguments[:5], arguments[5:])]
    return [start, *deltas]


def _reasoning(text: str) -> Json:
    return {"reasoningContent": {"reasoningText": {"text": text, "signature": _SIGNATURE}}}


def _reasoning_block(*pieces: str) -> Block:
    deltas = [{"reasoningContent": {"text": piece}} for piece in pieces]
    return [{}, *deltas, {"reasoningContent": {"signature": _SIGNATURE}}]


def _failure(status: int, name: str, message: str, kind: ErrorKind | None = None) -> Failure:
    # AWS appends a URL to the exception's name.
    headers = {"x-amzn-errortype": f"{name}:http://x/"}
    return Failure(status, {"message": message}, kind, message, headers=headers)


def _base64(event: Mapping[str, Any]) -> str:
    return base64.b64encode(json.dumps(event).encode()).decode()


BEDROCK = Wire(
    text=Example(
        whole=_answer((9, 7), "end_turn", {"text": "Grüße, Welt! 🌍"}),
        events=_stream((9, 7), "end_turn", _text("Grüße", ", Welt", "! 🌍")),
        means=Meaning(text="Grüße, Welt! 🌍"),
        usage=(9, 7),
    ),
    length=Example(
        whole=_answer((9, 2), "max_tokens", {"text": "Grüße, We"}),
        events=_stream((9, 2), "max_tokens", _text("Grüße", ", We")),
        means=Meaning(text="Grüße, We", finish_reason="length"),
        usage=(9, 2),
    ),
    tool_call=Example(
        whole=_answer((31, 12), "tool_use", {"text": "I look."}, _tool_use(_PARIS, 0)),
        events=_stream((31, 12), "tool_use", _text("I ", "look."), _tool_use_block(_PARIS, 0)),
        means=Meaning(text="I look.", calls=(_PARIS,), finish_reason="tool_calls"),
        usage=(31, 12),
        kept=("tooluse_A0", "I look."),
    ),
    parallel_calls=Example(
        whole=_answer(
            (31, 40), "tool_use", _reasoning("Both."), _tool_use(_PARIS, 0), _tool_use(_OSLO, 1)
        ),
        events=_stream(
            (31, 40),
            "tool_use",
            _reasoning_block("Bo", "th."),
            _tool_use_block(_PARIS, 0),
            _tool_use_block(_OSLO, 1),
        ),
        means=Meaning(calls=(_PARIS, _OSLO), reasoning="Both.", finish_reason="tool_calls"),
        usage=(31, 40),
        kept=("tooluse_A0", "tooluse_A1", _SIGNATURE, "Both."),
    ),
    reasoning=Example(
        whole=_answer((9, 14), "end_turn", _reasoning("Six times seven."), {"text": "42"}),
        events=_stream((9, 14), "end_turn", _reasoning_block("Six times", " seven."), _text("42")),
        means=Meaning(text="42", reasoning="Six times seven."),
        usage=(9, 14),
    ),
    empty=Example(
        whole=_answer((9, 1), "end_turn"),
        events=_stream((9, 1), "end_turn"),
        usage=(9, 1),
    ),
    blocked=Example(
        whole=_answer((9, 1), "guardrail_intervened", {"text": "Not that."}),
        events=_stream((9, 1), "guardrail_intervened", _text("Not that.")),
        means=Meaning(text="Not that.", finish_reason="content_filter"),
        usage=(9, 1),
    ),
    failures=(
        _failure(
            400, "ValidationException", "The value at messages.0 is not one that this model takes"
        ),
        _failure(
            400,
            "ValidationException",
            "Input is too long for requested model.",
            ErrorKind.CONTEXT_LENGTH,
        ),
        _failure(
            400, "ServiceQuotaExceededException", "The account is past its quota", ErrorKind.QUOTA
        ),
        _failure(401, "UnrecognizedClientException", "The credentials are not known"),
        _failure(403, "AccessDeniedException", "You do not have access to the model with that id"),
        _failure(404, "ResourceNotFoundException", "There is no such model here"),
        _failure(408, "ModelTimeoutException", "The model took too long"),
        _failure(424, "ModelErrorException", "The model came to an error", ErrorKind.OVERLOADED),
        _failure(429, "ThrottlingException", "Too many requests, please wait before trying again"),
        _failure(500, "InternalServerException", "The system failed, try again"),
        _failure(503, "ServiceUnavailableException", "Bedrock is unable to process your request"),
    ),
    stream_failures=(
        ("exception:throttlingException", {"message": "Too many requests, please wait"}),
        ("exception:modelStreamErrorException", {"message": "The model failed while it streamed"}),
    ),
    ignored=(("anEventOfTheFuture", {"contentBlockIndex": 0}),),
    native_events=tuple(("chunk", {"bytes": _base64(event)}) for _, event in EVENTS),
    framing="aws",
    base="",
    model="us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    settings={"region": "us-west-2"},
    embeddings=EmbeddingExample(
        whole={
            "id": "5d6a",
            "embeddings": {"float": [[0.016, -0.0084, 0.25], [-0.5, 0.125, 0.0]]},
            "response_type": "embeddings_by_type",
            "texts": ["grüße, welt!", "the second of several texts"],
        },
        vectors=[[0.016, -0.0084, 0.25], [-0.5, 0.125, 0.0]],
        model="us.cohere.embed-v4:0",
    ),
)

# With an access key: requests are signed, and the key itself is not sent.
SIGNED = replace(
    BEDROCK,
    auth=frozenset({"authorization"}),
    settings={
        "region": "us-west-2",
        "api_key": None,
        "access_key_id": "AKIACONFORMANCE0",
        "secret_access_key": "$KEY",
    },
    embeddings=EmbeddingExample(
        whole={"embedding": [0.016, -0.0084, 0.25], "inputTextTokenCount": 5},
        vectors=[[0.016, -0.0084, 0.25]],
        tokens=5,
        model="amazon.titan-embed-text-v2:0",
    ),
)
