"""agent-framework against the gateway.

It speaks the Responses API, and its second request has only the results of the tools and `previous_response_id`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from client_programs import environment, run_program
from weather_model import ANSWER, REPORT

from llms_core.testing import ScriptedUpstream, error
from tests.clients.conftest import SIGNED, WeatherGateway, assert_results_arrived, cut_stream

pytestmark = pytest.mark.slow

AGENT = """
from typing import Annotated

from agent_framework import Agent
from agent_framework.openai import OpenAIChatClient
from pydantic import BaseModel

def weather(city: Annotated[str, "The city's name"]) -> str:
    '''The weather of a city.'''
    return WEATHER[city]

class Report(BaseModel):
    city: str
    degrees: int

client = OpenAIChatClient(model="some-model")
agent = Agent(client, tools=[weather])

async def whole():
    return (await agent.run(QUESTION)).text

async def streamed():
    stream = agent.run(QUESTION, stream=True)
    async for _ in stream:
        pass
    return (await stream.get_final_response()).text

async def structured():
    answer = await Agent(client).run(QUESTION, options={"response_format": Report})
    return answer.value.model_dump()

async def continued():
    session = agent.create_session()
    await agent.run(QUESTION, session=session)
    return (await agent.run("And tomorrow?", session=session)).text
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment(
        tmp_path_factory,
        "agent-framework",
        "agent-framework-core==1.23.*",
        "agent-framework-openai==1.17.*",
    )


@pytest.mark.parametrize("protocol", ["chat", "anthropic", "gemini", "responses"])
def test_a_turn_with_tools(
    python: Path, weather_gateway: WeatherGateway, upstream: ScriptedUpstream, protocol: str
) -> None:
    program = AGENT + "report(whole, streamed, structured, continued)"
    assert run_program(python, program, weather_gateway(protocol)) == {
        "whole": {"answer": ANSWER},
        "streamed": {"answer": ANSWER},
        "structured": {"answer": REPORT},
        "continued": {"answer": ANSWER},
    }
    # Though the client left all of it to the store.
    for request in upstream.requests[1], upstream.requests[3], upstream.requests[-1]:
        assert_results_arrived(request.json, is_signed=protocol in SIGNED)


def test_without_the_store_it_is_told_what_to_change(
    python: Path, weather_gateway: WeatherGateway, upstream: ScriptedUpstream
) -> None:
    gateway = weather_gateway(plugins="[responses]\nstore = false\n")
    outcomes = run_program(python, AGENT + "report(whole, streamed, structured)", gateway)
    for outcome in outcomes["whole"], outcomes["streamed"]:
        assert outcome["error"] == "ChatClientException"
        assert "Error code: 400" in outcome["message"]
        assert "[responses] store = false in plugins.toml" in outcome["message"]
    assert outcomes["structured"] == {"answer": REPORT}
    assert len(upstream.requests) == 3, "nothing is repeated"


def test_a_provider_that_refuses(
    python: Path, weather_gateway: WeatherGateway, upstream: ScriptedUpstream
) -> None:
    gateway = weather_gateway()
    upstream.default = error(400, "The scripted fault")
    outcomes = run_program(python, AGENT + "report(whole, streamed)", gateway)
    for outcome in outcomes.values():
        assert outcome["error"] == "ChatClientException"
        assert "The scripted fault" in outcome["message"]
    assert len(upstream.requests) == 2


def test_a_stream_that_breaks(
    python: Path, weather_gateway: WeatherGateway, upstream: ScriptedUpstream
) -> None:
    gateway = weather_gateway()
    upstream.default = cut_stream()
    outcomes = run_program(python, AGENT + "report(streamed)", gateway)
    assert outcomes["streamed"]["error"] == "ChatClientException"
    assert "The connection broke" in outcomes["streamed"]["message"]
    assert len(upstream.requests) == 1
