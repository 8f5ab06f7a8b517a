"""pydantic-ai against the gateway: `openai:` models speak the Responses API, `anthropic:` models the Messages API."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from client_programs import environment, run_program
from weather_model import ANSWER, REPORT

from llms_core.testing import ScriptedUpstream, error
from tests.clients.conftest import WeatherGateway, assert_results_arrived, cut_stream

if TYPE_CHECKING:
    from tests.conftest import Gateway

pytestmark = pytest.mark.slow

#: What its profile of the model says decides what it sends: `gpt-5` reasons, `claude-sonnet-4-5` has JSON schemas.
MODELS = (
    "openai:some-model",
    "openai:gpt-5",
    "openai-chat:some-model",
    "anthropic:some-model",
    "anthropic:claude-sonnet-4-5",
)

#: It returns signatures only to models of whose profile it knows that they have them, and never in chat completions.
WITHOUT_SIGNATURES = ("openai:some-model", "openai-chat:some-model")

AGENTS = f"""
from pydantic import BaseModel
from pydantic_ai import Agent

class Report(BaseModel):
    city: str
    degrees: int

def weather(city: str) -> str:
    '''The weather of a city.'''
    return WEATHER[city]

MODELS = {MODELS}

async def whole():
    return [(await Agent(model, tools=[weather]).run(QUESTION)).output for model in MODELS]

async def streamed():
    texts = []
    for model in MODELS:
        async with Agent(model, tools=[weather]).run_stream(QUESTION) as run:
            texts.append("".join([piece async for piece in run.stream_text(delta=True)]))
    return texts

async def structured():
    return [(await Agent(model, output_type=Report).run(QUESTION)).output.model_dump() for model in MODELS]
"""

# As docs/clients.md writes it.
PROFILE = """
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.profiles.openai import OpenAIModelProfile

profile = OpenAIModelProfile(openai_supports_encrypted_reasoning_content=True)
agent = Agent(OpenAIResponsesModel("some-model", profile=profile))

@agent.tool_plain
def weather(city: str) -> str:
    return WEATHER[city]

async def streamed():
    async with agent.run_stream(QUESTION) as run:
        return await run.get_output()

report(streamed)
"""

FAILURES = """
async def failed(model, stream):
    agent = Agent(model, tools=[weather])
    if stream:
        async with agent.run_stream(QUESTION) as run:
            return await run.get_output()
    return (await agent.run(QUESTION)).output

def failing(model, stream):
    async def work():
        return await failed(model, stream)

    work.__name__ = f"{model} {stream}"
    return work

report(*[failing(model, stream) for model in MODELS[1:4] for stream in STREAMS])
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment(
        tmp_path_factory, "pydantic-ai", "pydantic-ai-slim[openai,anthropic]==2.68.*"
    )


@pytest.fixture
def gateway(weather_gateway: WeatherGateway) -> Callable[[str], Gateway]:
    """Serve the models' names from a provider that speaks a protocol."""
    names = [model.partition(":")[2] for model in MODELS]
    return lambda protocol: weather_gateway(protocol, names=names)


@pytest.mark.parametrize("protocol", ["chat", "anthropic", "gemini", "responses"])
def test_a_turn_with_tools(
    python: Path, gateway: Callable[[str], Gateway], upstream: ScriptedUpstream, protocol: str
) -> None:
    assert run_program(
        python, AGENTS + "report(whole, streamed, structured)", gateway(protocol)
    ) == {
        "whole": {"answer": [ANSWER] * len(MODELS)},
        "streamed": {"answer": [ANSWER] * len(MODELS)},
        "structured": {"answer": [REPORT] * len(MODELS)},
    }
    results = [seen.json for seen in upstream.requests[1 : 4 * len(MODELS) : 2]]
    for model, request in zip(MODELS * 2, results, strict=True):
        assert_results_arrived(
            request, is_signed=protocol != "chat" and model not in WITHOUT_SIGNATURES
        )
        assert "<think>" not in json.dumps(request)


def test_a_profile_lets_an_unknown_model_have_its_signatures(
    python: Path, gateway: Callable[[str], Gateway], upstream: ScriptedUpstream
) -> None:
    assert run_program(python, PROFILE, gateway("gemini")) == {"streamed": {"answer": ANSWER}}
    assert_results_arrived(upstream.requests[1].json, is_signed=True)


def test_a_provider_that_refuses(
    python: Path, gateway: Callable[[str], Gateway], upstream: ScriptedUpstream
) -> None:
    served = gateway("chat")
    upstream.default = error(400, "The scripted fault")
    outcomes = run_program(python, AGENTS + "STREAMS = (False, True)" + FAILURES, served)
    for outcome in outcomes.values():
        assert outcome["error"] == "ModelRequestRejectedError"
        assert "The scripted fault" in outcome["message"]
    assert len(upstream.requests) == len(outcomes) == 6


def test_a_stream_that_breaks(
    python: Path, gateway: Callable[[str], Gateway], upstream: ScriptedUpstream
) -> None:
    served = gateway("chat")
    upstream.default = cut_stream()
    outcomes = run_program(python, AGENTS + "STREAMS = (True,)" + FAILURES, served)
    for outcome in outcomes.values():
        assert outcome["error"] in ("ModelAPIError", "ModelServerError")
        assert "The connection broke" in outcome["message"]
    assert len(upstream.requests) == len(outcomes) == 3
