"""Azure OpenAI by example: OpenAI's, with what its content filter adds, at either kind of address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from llms_core.errors import ErrorKind
from llms_core.testing.openai_wire import OPENAI
from llms_core.testing.wire import Example, Failure, Meaning

_FILTERS = {"hate": {"filtered": False, "severity": "safe"}, "violence": {"filtered": False, "severity": "safe"}}
_VIOLENT = {**_FILTERS, "violence": {"filtered": True, "severity": "medium"}}
_FRAME: Mapping[str, Any] = {"id": "chatcmpl-8xY2", "created": 1_700_000_123, "model": "gpt-5-2025-08-07"}
_PROMPT = [{"prompt_index": 0, "content_filter_results": _FILTERS}]
_USAGE = {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16}


def _chunk(delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "content_filter_results": _FILTERS}
    return {**_FRAME, "object": "chat.completion.chunk", "choices": [choice]}


_REFUSED = "The response was filtered due to the prompt triggering content management policy."

AZURE = replace(
    OPENAI,
    text=Example(
        whole={
            **_FRAME,
            "object": "chat.completion",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "Grüße, Welt! 🌍", "refusal": None},
                    "finish_reason": "stop",
                    "content_filter_results": _FILTERS,
                }
            ],
            "prompt_filter_results": _PROMPT,
            "usage": _USAGE,
        },
        events=[
            {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": _PROMPT},
            _chunk({"role": "assistant", "content": ""}),
            _chunk({"content": "Grüße"}),
            _chunk({"content": ", Welt"}),
            _chunk({"content": "! 🌍"}),
            _chunk({}, "stop"),
            {**_FRAME, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE},
            "[DONE]",
        ],
        means=Meaning(text="Grüße, Welt! 🌍"),
        usage=(9, 7),
    ),
    failures=(
        *(failure for failure in OPENAI.failures if failure.status not in (401, 404)),
        Failure(
            400,
            {
                "error": {
                    "message": _REFUSED,
                    "code": "content_filter",
                    "status": 400,
                    "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": _VIOLENT},
                }
            },
            ErrorKind.CONTENT_POLICY,
            _REFUSED,
        ),
        Failure(401, {"error": {"code": "401", "message": "Access denied due to invalid subscription key"}}),
        Failure(404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}}),
        Failure(
            429,
            {"error": {"code": "429", "message": "Requests are over the rate limit. Please retry after 17 seconds."}},
            ErrorKind.RATE_LIMIT,
            retry_after=17,
        ),
    ),
    auth=frozenset({"api-key"}),
    base="/openai/v1",
)

DEPLOYMENTS = replace(AZURE, base="", settings={"api_version": "2024-10-21"})
"""At the address of a deployment, with a dated version."""
