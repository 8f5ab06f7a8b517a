"""Examples of Ollama's native chat API for the conformance suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llms_core.errors import ErrorKind
from llms_core.testing.wire import Call, EmbeddingExample, Example, Failure, Meaning, Wire

Json = dict[str, Any]

_PARIS = Call(name="get_weather", arguments={"city": "Paris"})
_OSLO = Call(name="get_time", arguments={"city": "Oslo"})
_TOKENS = [{"token": "Ja", "logprob": -0.25, "bytes": [74, 97]}]


def _line(message: Mapping[str, Any], **members: Any) -> Json:
    """One line of a stream."""
    return {
        "model": "llama3.2",
        "created_at": "2026-01-02T03:04:05.678901Z",
        "message": {"role": "assistant", "content": "", **message},
        "done": False,
        **members,
    }


def _last(
    usage: tuple[int, int], reason: str, message: Mapping[str, Any] = {}, **members: Any
) -> Json:
    """The last line of a stream, or a whole answer."""
    counts = {"prompt_eval_count": usage[0], "eval_count": usage[1]}
    # Like Ollama, leave out counts of zero.
    non_zero = {name: count for name, count in counts.items() if count}
    return _line(
        message, done=True, done_reason=reason, total_duration=5_000_000, **non_zero, **members
    )


def _stream(usage: tuple[int, int], reason: str, *messages: Mapping[str, Any]) -> Sequence[Json]:
    lines = [_line(message) for message in messages]
    return [*lines, _last(usage, reason)]


def _tool_call(call: Call, number: int) -> Json:
    function = {"index": number, "name": call.name, "arguments": call.arguments}
    return {"id": f"call_x{number}", "function": function}


def _failure(status: int, message: str, kind: ErrorKind | None = None) -> Failure:
    return Failure(status, {"error": message}, kind, message)


OLLAMA = Wire(
    text=Example(
        whole=_last((9, 7), "stop", {"content": "Grüße, Welt! 🌍"}),
        events=_stream(
            (9, 7), "stop", {"content": "Grüße"}, {"content": ", Welt"}, {"content": "! 🌍"}
        ),
        means=Meaning(text="Grüße, Welt! 🌍"),
        usage=(9, 7),
    ),
    length=Example(
        whole=_last((9, 2), "length", {"content": "Grüße, We"}),
        events=_stream((9, 2), "length", {"content": "Grüße"}, {"content": ", We"}),
        means=Meaning(text="Grüße, We", finish_reason="length"),
        usage=(9, 2),
    ),
    # Ollama has no reason of its own for a tool call: `done_reason` is "stop".
    tool_call=Example(
        whole=_last((31, 12), "stop", {"tool_calls": [_tool_call(_PARIS, 0)]}),
        events=_stream((31, 12), "stop", {"tool_calls": [_tool_call(_PARIS, 0)]}),
        means=Meaning(calls=(_PARIS,), finish_reason="tool_calls"),
        usage=(31, 12),
        kept=("call_x0",),
    ),
    parallel_calls=Example(
        whole=_last(
            (31, 25),
            "stop",
            {"thinking": "Both.", "tool_calls": [_tool_call(_PARIS, 0), _tool_call(_OSLO, 1)]},
        ),
        events=_stream(
            (31, 25),
            "stop",
            {"thinking": "Both."},
            {"tool_calls": [_tool_call(_PARIS, 0)]},
            {"tool_calls": [_tool_call(_OSLO, 1)]},
        ),
        means=Meaning(calls=(_PARIS, _OSLO), reasoning="Both.", finish_reason="tool_calls"),
        usage=(31, 25),
        kept=("call_x0", "call_x1", "Both."),
    ),
    reasoning=Example(
        whole=_last((9, 14), "stop", {"content": "42", "thinking": "Six times seven."}),
        events=_stream(
            (9, 14), "stop", {"thinking": "Six times"}, {"thinking": " seven."}, {"content": "42"}
        ),
        means=Meaning(text="42", reasoning="Six times seven."),
        usage=(9, 14),
    ),
    logprobs=Example(
        whole=_last((9, 1), "stop", {"content": "Ja"}, logprobs=_TOKENS),
        events=[_line({"content": "Ja"}, logprobs=_TOKENS), _last((9, 1), "stop")],
        means=Meaning(text="Ja"),
        usage=(9, 1),
    ),
    empty=Example(
        whole=_last((9, 0), "stop"),
        events=_stream((9, 0), "stop"),
        usage=(9, 0),
    ),
    failures=(
        # The model can crash after the status has been sent.
        _failure(200, "model runner has unexpectedly stopped", ErrorKind.OVERLOADED),
        _failure(400, "invalid options: temperature"),
        _failure(400, "registry.ollama.ai/library/x does not support tools"),
        _failure(401, "unauthorized"),
        _failure(403, "this model requires a subscription"),
        _failure(404, "model 'llama-x' not found"),
        _failure(429, "too many concurrent requests"),
        _failure(429, "you have reached your weekly usage limit", ErrorKind.QUOTA),
        _failure(500, "model runner has unexpectedly stopped"),
        _failure(503, "server busy, please try again"),
    ),
    stream_failures=({"error": "an error was encountered while running the model"},),
    framing="ndjson",
    embeddings=EmbeddingExample(
        whole={
            "model": "all-minilm",
            "embeddings": [[0.010071029, -0.0017594862], [0.05007221, 0.04692972]],
            "total_duration": 14143917,
            "load_duration": 1019500,
            "prompt_eval_count": 8,
        },
        vectors=[[0.010071029, -0.0017594862], [0.05007221, 0.04692972]],
        tokens=8,
        model="all-minilm:latest",
    ),
)
