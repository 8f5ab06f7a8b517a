"""Examples of Azure OpenAI for the conformance suite: OpenAI's, with what Azure's content filter adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from llms_core.errors import ErrorKind
from llms_core.testing.openai_wire import OPENAI
from llms_core.testing.wire import Example, Failure, Meaning

#: The members that all chunks of a stream share.
_ENVELOPE: Mapping[str, Any] = {
    "id": "chatcmpl-8xY2",
    "created": 1_700_000_123,
    "model": "gpt-5-2025-08-07",
}
_USAGE = {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16}

# Results of the content filter, for something harmless and for something violent.
_SAFE = {"filtered": False, "severity": "safe"}
_HARMLESS = {"hate": _SAFE, "violence": _SAFE}
_VIOLENT = {"hate": _SAFE, "violence": {"filtered": True, "severity": "medium"}}
_PROMPT_RESULTS = [{"prompt_index": 0, "content_filter_results": _HARMLESS}]

_COMPLETION = {
    **_ENVELOPE,
    "object": "chat.completion",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Grüße, Welt! 🌍", "refusal": None},
            "finish_reason": "stop",
            "content_filter_results": _HARMLESS,
        }
    ],
    "prompt_filter_results": _PROMPT_RESULTS,
    "usage": _USAGE,
}

#: The first chunk of a stream: the filter's results for the prompt, with an empty envelope.
_PROMPT_CHUNK = {
    "id": "",
    "object": "",
    "created": 0,
    "model": "",
    "choices": [],
    "prompt_filter_results": _PROMPT_RESULTS,
}


def _chunk(delta: Mapping[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {
        "index": 0,
        "delta": delta,
        "finish_reason": finish_reason,
        "content_filter_results": _HARMLESS,
    }
    return {**_ENVELOPE, "object": "chat.completion.chunk", "choices": [choice]}


_USAGE_CHUNK = {
    **_ENVELOPE,
    "object": "chat.completion.chunk",
    "choices": [],
    "usage": _USAGE,
}

_TEXT = Example(
    whole=_COMPLETION,
    events=[
        _PROMPT_CHUNK,
        _chunk({"role": "assistant", "content": ""}),
        _chunk({"content": "Grüße"}),
        _chunk({"content": ", Welt"}),
        _chunk({"content": "! 🌍"}),
        _chunk({}, "stop"),
        _USAGE_CHUNK,
        "[DONE]",
    ],
    means=Meaning(text="Grüße, Welt! 🌍"),
    usage=(9, 7),
)


def _error(code: str, message: str, **members: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **members}}


_FILTERED_MESSAGE = (
    "The response was filtered due to the prompt triggering content management policy."
)

_CONTENT_FILTERED = Failure(
    400,
    _error(
        "content_filter",
        _FILTERED_MESSAGE,
        status=400,
        innererror={
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": _VIOLENT,
        },
    ),
    ErrorKind.CONTENT_POLICY,
    _FILTERED_MESSAGE,
)
_INVALID_KEY = Failure(
    401,
    _error("401", "Access denied due to invalid subscription key"),
)
_UNKNOWN_DEPLOYMENT = Failure(
    404,
    _error("DeploymentNotFound", "The API deployment does not exist."),
)
# Azure may give the delay in the message only, without a Retry-After header.
_RATE_LIMITED = Failure(
    429,
    _error("429", "Requests are over the rate limit. Please retry after 17 seconds."),
    ErrorKind.RATE_LIMIT,
    retry_after=17,
)

# Azure has bodies of its own for these two.
_OPENAI_FAILURES = [failure for failure in OPENAI.failures if failure.status not in (401, 404)]

AZURE = replace(
    OPENAI,
    text=_TEXT,
    failures=(
        *_OPENAI_FAILURES,
        _CONTENT_FILTERED,
        _INVALID_KEY,
        _UNKNOWN_DEPLOYMENT,
        _RATE_LIMITED,
    ),
    auth=frozenset({"api-key"}),
    base="/openai/v1",
)

DEPLOYMENTS = replace(AZURE, base="", settings={"api_version": "2024-10-21"})
"""The same at the address of a deployment, which dated versions of the API use."""
