"""A plugin with middleware (`llms_middleware`), used by OpenAI's and Anthropic's clients."""

from __future__ import annotations

from pathlib import Path

import anthropic
import openai
import pytest
from anthropic.types import MessageParam

from llms_core.testing import ScriptedUpstream
from tests.conftest import Serve

SOURCE = Path(__file__).parent / "around.py"
SETTINGS = f"[plugins]\nload = ['{SOURCE}']\n"
KEY = "not-needed-at-all"


def block(upstream: ScriptedUpstream) -> dict[str, object]:
    models = {"m": "m", "unwanted": "m"}
    return {
        "type": "openai-compatible",
        "base_url": upstream.base_url,
        "api_key": KEY,
        "models": models,
    }


def test_a_request_is_changed_and_its_answer_too(served: Serve, upstream: ScriptedUpstream) -> None:
    gateway = served({"providers": {"first": block(upstream)}}, SETTINGS)
    with openai.OpenAI(base_url=gateway.base_url, api_key=KEY) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="m", messages=[{"role": "user", "content": "Hi"}]
        )
    assert raw.headers["x-caller"] == "nobody"
    assert upstream.requests[0].json["user"] == "nobody"


def test_a_request_is_refused(served: Serve, upstream: ScriptedUpstream) -> None:
    gateway = served({"providers": {"first": block(upstream)}}, SETTINGS)
    with (
        openai.OpenAI(base_url=gateway.base_url, api_key=KEY) as client,
        pytest.raises(openai.PermissionDeniedError),
    ):
        client.chat.completions.create(
            model="unwanted", messages=[{"role": "user", "content": "Hi"}]
        )
    assert not upstream.requests


def test_a_request_is_answered_without_a_provider_in_the_clients_format(
    served: Serve, upstream: ScriptedUpstream
) -> None:
    gateway = served({"providers": {"first": block(upstream)}}, SETTINGS)
    with anthropic.Anthropic(base_url=gateway.origin, api_key=KEY) as client:
        question: list[MessageParam] = [{"role": "user", "content": "What is 1 + 1?"}]
        with client.messages.stream(model="m", max_tokens=9, messages=question) as stream:
            assert stream.get_final_text() == "2"
    assert not upstream.requests
