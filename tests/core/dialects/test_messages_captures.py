"""Every captured request of a real agent is accepted, and translated for every adapter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from captures import Capture, captures
from message_requests import upstream_request
from official_types import CHECKS

from llms_core.contracts.token_estimate import estimated_prompt
from llms_core.dialects import IncomingRequest
from llms_core.dialects.messages.decode import decode_prompt
from llms_core.errors import Unsupported
from llms_core.testing.subject import Subject, find

PROVIDERS = (
    "openai",
    "deepseek",
    "openrouter",
    "mistral",
    "azure",
    "anthropic",
    "google",
    "bedrock",
    "cohere",
    "ollama",
)


@cache
def subject_of(provider: str) -> Subject:
    return find(provider, None)


def texts(value: Any) -> Iterator[str]:
    """The texts of all messages, and of the results of tools."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, dict):
        for name in ("text", "content"):
            yield from texts(value.get(name))


@captures("/v1/messages")
@pytest.mark.parametrize("provider", PROVIDERS)
def test_it_is_translated_for_every_adapter(capture: Capture, provider: str) -> None:
    forced = (capture.body.get("tool_choice") or {}).get("name") == "web_search"
    if forced and provider != "anthropic":
        with pytest.raises(Unsupported, match="web_search"):
            upstream_request(subject_of(provider), capture.body, capture.headers)
        return
    request = upstream_request(subject_of(provider), capture.body, capture.headers)
    sent = json.loads(request.content)
    written = json.dumps(sent, ensure_ascii=False)
    for message in capture.body["messages"]:
        for text in texts(message["content"]):
            assert json.dumps(text, ensure_ascii=False)[1:-1] in written
    for tool in capture.body.get("tools") or ():
        assert tool["name"] in written or f"tools.{tool['name']}" in request.dropped
    assert "x-anthropic-billing-header" not in written


@captures("/v1/messages")
@pytest.mark.parametrize("provider", CHECKS)
def test_the_providers_own_sdk_could_have_sent_it(capture: Capture, provider: str) -> None:
    subject = subject_of(provider)
    try:
        request = upstream_request(subject, {**capture.body, "stream": False}, capture.headers)
    except Unsupported:
        # Only if it forces what the provider lacks.
        assert capture.body["tool_choice"]["name"] == "web_search"
        return
    CHECKS[provider](json.loads(request.content), subject.wire.model)


@captures("/v1/messages/count_tokens")
def test_a_prompt_is_counted(capture: Capture) -> None:
    body = decode_prompt(IncomingRequest(json.dumps(capture.body).encode()))
    assert estimated_prompt(body) > 0


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_image_in_the_result_of_a_tool_reaches_every_provider(provider: str) -> None:
    data = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    request = {
        "model": "m",
        "max_tokens": 10,
        "tools": [{"name": "shot", "input_schema": {"type": "object"}}],
        "messages": [
            {"role": "user", "content": "?"},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "a", "name": "shot", "input": {}}],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "a", "content": [image]}],
            },
        ],
    }
    sent = upstream_request(subject_of(provider), request).content.decode()
    assert data in sent.replace("\\/", "/")
