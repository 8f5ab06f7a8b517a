"""openai-agents against the gateway: it speaks the Responses API, and each request has the whole conversation."""

from __future__ import annotations

from pathlib import Path

import pytest
from client_programs import environment, run_program
from weather_model import ANSWER, REPORT

from llms_core.testing import ScriptedUpstream, error
from tests.clients.conftest import SIGNED, WeatherGateway, assert_results_arrived, cut_stream

pytestmark = pytest.mark.slow

AGENT = """
from agents import Agent, Runner, function_tool, set_tracing_disabled
from pydantic import BaseModel

set_tracing_disabled(True)

@function_tool
def weather(city: str) -> str:
    '''The weather of a city.'''
    return WEATHER[city]

class Report(BaseModel):
    city: str
    degrees: int

agent = Agent(name="forecaster", model="some-model", tools=[weather])

async def whole():
    return (await Runner.run(agent, QUESTION)).final_output

async def streamed():
    run = Runner.run_streamed(agent, QUESTION)
    text = ""
    async for event in run.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            text += event.data.delta
    assert text == run.final_output
    return text

async def structured():
    reporter = Agent(name="reporter", model="some-model", output_type=Report)
    return (await Runner.run(reporter, QUESTION)).final_output.model_dump()
"""

HANDOFF = """
from agents import GuardrailFunctionOutput, input_guardrail

async def handed_off():
    first = Agent(name="first", model="some-model", handoffs=[agent])
    run = await Runner.run(first, QUESTION)
    return [run.last_agent.name, run.final_output]

@input_guardrail
async def refuse(context, agent, question):
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

async def guarded():
    careful = Agent(name="careful", model="some-model", tools=[weather], input_guardrails=[refuse])
    return (await Runner.run(careful, QUESTION)).final_output

async def continued():
    run = await Runner.run(agent, QUESTION, auto_previous_response_id=True)
    again = await Runner.run(agent, "And tomorrow?", previous_response_id=run.last_response_id)
    return again.final_output
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment(tmp_path_factory, "openai-agents", "openai-agents==0.24.*")


@pytest.mark.parametrize("protocol", ["chat", "anthropic", "gemini", "responses"])
def test_a_turn_with_tools(
    python: Path, weather_gateway: WeatherGateway, upstream: ScriptedUpstream, protocol: str
) -> None:
    program = AGENT + "report(whole, streamed, structured)"
    assert run_program(python, program, weather_gateway(protocol)) == {
        "whole": {"answer": ANSWER},
        "streamed": {"answer": ANSWER},
        "structured": {"answer": REPORT},
    }
    _, whole, _, streamed, _ = (seen.json for seen in upstream.requests)
    for request in (whole, streamed):
        assert_results_arrived(request, is_signed=protocol in SIGNED)


def test_handoffs_guardrails_and_the_store(python: Path, weather_gateway: WeatherGateway) -> None:
    outcomes = run_program(
        python, AGENT + HANDOFF + "report(handed_off, guarded, continued)", weather_gateway()
    )
    assert outcomes["handed_off"] == {"answer": ["forecaster", ANSWER]}
    assert outcomes["guarded"]["error"] == "InputGuardrailTripwireTriggered"
    assert outcomes["continued"] == {"answer": ANSWER}


def test_a_provider_that_refuses(
    python: Path, weather_gateway: WeatherGateway, upstream: ScriptedUpstream
) -> None:
    gateway = weather_gateway()
    upstream.default = error(400, "The scripted fault")
    outcomes = run_program(python, AGENT + "report(whole, streamed)", gateway)
    for outcome in outcomes.values():
        assert outcome["error"] == "BadRequestError"
        assert "The scripted fault" in outcome["message"]
    assert len(upstream.requests) == 2


def test_a_stream_that_breaks(
    python: Path, weather_gateway: WeatherGateway, upstream: ScriptedUpstream
) -> None:
    gateway = weather_gateway()
    upstream.default = cut_stream()
    outcomes = run_program(python, AGENT + "report(streamed)", gateway)
    assert outcomes["streamed"]["error"] == "ModelBehaviorError"
    assert "The connection broke" in outcomes["streamed"]["message"]
    assert len(upstream.requests) == 1
