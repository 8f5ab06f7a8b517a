"""Anthropic's SDK for Python against the gateway: its runner of tools, with all models, and its threads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import anthropic
import httpx
import pytest
from anthropic import beta_tool
from weather_model import ANSWER

from llms_core.testing import ScriptedUpstream
from tests.clients.conftest import WeatherGateway, assert_results_arrived

if TYPE_CHECKING:
    from tests.conftest import Gateway

WEATHER = {"Turin": "sunny", "Oslo": "rainy"}


@beta_tool
def weather(city: str) -> str:
    """The weather of a city."""
    return WEATHER[city]


@pytest.fixture(params=["chat", "anthropic", "gemini", "responses"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def gateway(weather_gateway: WeatherGateway, protocol: str) -> Gateway:
    return weather_gateway(protocol)


@pytest.fixture
def client(gateway: Gateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=gateway.origin, api_key="not-needed") as client:
        yield client


@pytest.mark.parametrize("is_streamed", [False, True])
def test_the_runner_of_tools(
    client: anthropic.Anthropic, upstream: ScriptedUpstream, protocol: str, is_streamed: bool
) -> None:
    """It begins a thread, which is refused, and goes on without."""
    runner = client.beta.messages.tool_runner(
        model="some-model",
        max_tokens=1000,
        tools=[weather],
        messages=[{"role": "user", "content": "What is the weather in Turin and in Oslo?"}],
        stream=is_streamed,
    )
    text = [block.text for block in runner.until_done().content if block.type == "text"]
    assert text == [ANSWER]
    _, request = (seen.json for seen in upstream.requests)
    assert_results_arrived(request, is_signed=protocol != "chat")


@pytest.mark.parametrize("protocol", ["chat"], indirect=True)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_threads_are_refused_with_the_code_that_the_sdks_look_for(
    gateway: Gateway, upstream: ScriptedUpstream, path: str
) -> None:
    messages = [{"role": "user", "content": "And tomorrow?"}]
    body = {"model": "some-model", "max_tokens": 10, "messages": messages}
    for thread in {"type": "create"}, {"type": "continue", "previous_message_id": "msg_1"}:
        answer = httpx.post(gateway.origin + path, json={**body, "thread": thread}, trust_env=False)
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error["type"] == "invalid_request_error"
        assert "send the whole conversation" in error["message"]
        assert error["details"] == {
            "error_code": "thread_unsupported_request",
            "unsupported": ["thread"],
        }
    assert upstream.requests == []
    # Every other error has no such member.
    answer = httpx.post(
        gateway.origin + path, json={**body, "thread": None, "model": "another"}, trust_env=False
    )
    assert "details" not in json.dumps(answer.json())
