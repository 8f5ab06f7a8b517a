"""OpenAI's Responses API by example, for adapters that use it."""

from __future__ import annotations

from typing import Any

from llms_core.testing.openai_wire import FAILURES, OPENAI
from llms_core.testing.upstream.responses import (
    function_call_item,
    message_item,
    reasoning_item,
    response_body,
    response_events,
)
from llms_core.testing.wire import Call, Example, Meaning, Wire

Json = dict[str, Any]

_PARIS = Call(name="get_weather", arguments={"city": "Paris"})
_OSLO = Call(name="get_time", arguments={"city": "Oslo"})

#: What OpenAI encrypts begins like this.
_ENCRYPTED = "gAAAAABpF1fPqzv1nMOHIvWc3lDzqk2Yq9Tx"
_THOUGHTS = "Six times seven."


def _example(
    *items: Json, means: Meaning, tokens: tuple[int, int], kept: tuple[str, ...] = (), **more: Any
) -> Example:
    body = response_body(*items, tokens=tokens, **more)
    return Example(
        whole=body,
        events=[(event["type"], event) for event in response_events(body)],
        means=means,
        usage=tokens,
        kept=kept,
    )


def _call_item(call: Call, number: int) -> Json:
    return function_call_item(
        call.name, call.arguments, call_id=f"call_Aa{number}", id=f"fc_{number}"
    )


def _failed(code: str, message: str) -> Json:
    return {
        "type": "response.failed",
        "response": response_body(
            status="failed", tokens=None, error={"code": code, "message": message}
        ),
    }


_LOGPROBS = [{"token": "Ja", "logprob": -0.25, "bytes": [74, 97], "top_logprobs": []}]
_YES = {"type": "output_text", "text": "Ja", "annotations": [], "logprobs": _LOGPROBS}

RESPONSES = Wire(
    text=_example(
        message_item("Grüße, Welt! 🌍"),
        means=Meaning(text="Grüße, Welt! 🌍"),
        tokens=(9, 7),
    ),
    length=_example(
        message_item("Grüße, We", status="incomplete"),
        means=Meaning(text="Grüße, We", finish_reason="length"),
        tokens=(9, 2),
        status="incomplete",
        incomplete_details={"reason": "max_output_tokens"},
    ),
    tool_call=_example(
        reasoning_item(encrypted=_ENCRYPTED),
        _call_item(_PARIS, 0),
        means=Meaning(calls=(_PARIS,), finish_reason="tool_calls"),
        tokens=(31, 12),
        kept=(_ENCRYPTED,),
    ),
    parallel_calls=_example(
        _call_item(_PARIS, 0),
        _call_item(_OSLO, 1),
        means=Meaning(calls=(_PARIS, _OSLO), finish_reason="tool_calls"),
        tokens=(31, 25),
    ),
    reasoning=_example(
        reasoning_item(_THOUGHTS, encrypted=_ENCRYPTED),
        message_item("42"),
        means=Meaning(text="42", reasoning=_THOUGHTS),
        tokens=(9, 14),
        kept=(_ENCRYPTED,),
    ),
    logprobs=_example(
        message_item(content=[_YES]),
        means=Meaning(text="Ja"),
        tokens=(9, 1),
    ),
    empty=_example(
        message_item(""),
        means=Meaning(text=""),
        tokens=(9, 0),
    ),
    blocked=_example(
        message_item("I", status="incomplete"),
        means=Meaning(text="I", finish_reason="content_filter"),
        tokens=(9, 1),
        status="incomplete",
        incomplete_details={"reason": "content_filter"},
    ),
    failures=FAILURES,
    stream_failures=(
        _failed("server_error", "The server had an error while processing your request"),
        {
            "type": "error",
            "code": "server_error",
            "message": "The server had an error",
            "param": None,
        },
        (
            "error",
            {
                "error": {
                    "code": "rate_limit_exceeded",
                    "message": "Rate limit reached for tokens per minute",
                    "type": "tokens",
                }
            },
        ),
    ),
    ignored=(
        {
            "type": "response.in_progress",
            "response": response_body(status="in_progress", tokens=None),
        },
        {"type": "response.web_search_call.searching", "output_index": 0, "item_id": "ws_1"},
        {"type": "keepalive", "sequence_number": 3},
    ),
    # At a path of their own, whichever protocol the models speak.
    embeddings=OPENAI.embeddings,
    settings={"protocol": "responses"},
)
