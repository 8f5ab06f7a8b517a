"""An answer without content and without a reason for that is none: the next provider is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llms_core.errors import ErrorKind, ProviderError
from llms_core.testing.subject import find

Json = dict[str, Any]

MESSAGE: Json = {"role": "assistant", "content": ""}


def openai(reason: object) -> Json:
    return {
        "id": "x",
        "created": 1,
        "choices": [{"index": 0, "message": MESSAGE, "finish_reason": reason}],
    }


def anthropic(reason: object) -> Json:
    return {"type": "message", "id": "m", "role": "assistant", "content": [], "stop_reason": reason}


def google(reason: object) -> Json:
    return {"candidates": [{"content": {"parts": []}, "finishReason": reason, "index": 0}]}


def bedrock(reason: object) -> Json:
    return {"output": {"message": {"role": "assistant", "content": []}}, "stopReason": reason}


def cohere(reason: object) -> Json:
    return {"id": "x", "finish_reason": reason, "message": {"role": "assistant", "content": []}}


ANSWERS = {
    "openai-compatible": (openai, "stop"),
    "azure": (openai, "stop"),
    "anthropic": (anthropic, "end_turn"),
    "google": (google, "STOP"),
    "bedrock": (bedrock, "end_turn"),
    "cohere": (cohere, "COMPLETE"),
}


def read(provider: str, answer: Json) -> Json:
    subject = find(provider, None)
    completion: Json = json.loads(
        subject.adapter.completion(subject.call(), json.dumps(answer).encode()).data
    )
    return completion


@pytest.mark.parametrize("provider", ANSWERS)
@pytest.mark.parametrize("reason", ["", None])
def test_an_empty_answer_without_a_reason_is_a_failure(provider: str, reason: object) -> None:
    answer, _ = ANSWERS[provider]
    with pytest.raises(ProviderError) as caught:
        read(provider, answer(reason))
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


@pytest.mark.parametrize("provider", ANSWERS)
def test_an_empty_answer_that_has_ended_normally_is_one(provider: str) -> None:
    answer, reason = ANSWERS[provider]
    [choice] = read(provider, answer(reason))["choices"]
    assert choice["finish_reason"] == "stop"
