"""LangChain's `ChatAnthropic`, and its `ChatOpenAI` with the Responses API, against the gateway."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel
from weather_model import ANSWER, REPORT

from llms_core.testing import ScriptedUpstream, error
from tests.clients.conftest import SIGNED, WeatherGateway, assert_results_arrived, cut_stream

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from tests.conftest import Gateway

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("langchain_anthropic") is None,
        reason="langchain-anthropic is not installed",
    ),
]

WEATHER = {"Turin": "sunny", "Oslo": "rainy"}


class Report(BaseModel):
    """The weather of a city."""

    city: str
    degrees: int


def chat_anthropic(gateway: Gateway, **members: Any) -> BaseChatModel:
    from langchain_anthropic import ChatAnthropic

    return ChatAnthropic(
        base_url=gateway.origin,
        api_key="not-needed",  # type: ignore[arg-type]
        model="some-model",  # type: ignore[call-arg]
        **members,
    )


def chat_openai(gateway: Gateway, **members: Any) -> BaseChatModel:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(
        base_url=gateway.base_url,
        api_key="not-needed",  # type: ignore[arg-type]
        model="some-model",
        use_responses_api=True,
        **members,
    )


Model = Callable[..., "BaseChatModel"]


@pytest.fixture(params=[chat_anthropic, chat_openai])
def model(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.setenv("LANGSMITH_TRACING", "false")
    chosen: Model = request.param
    return chosen


def answer_with_tools(llm: BaseChatModel, *, is_streamed: bool) -> str:
    """Let the model call `weather` until it answers; return the answer."""
    from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage
    from langchain_core.tools import tool

    @tool
    def weather(city: str) -> str:
        """The weather of a city."""
        return WEATHER[city]

    able = llm.bind_tools([weather])
    talk: list[BaseMessage] = [HumanMessage("What is the weather in Turin and in Oslo?")]
    for _ in range(3):
        if is_streamed:
            whole, *parts = able.stream(talk)
            for part in parts:
                whole = whole + part  # type: ignore[assignment]  # chunks add up to a chunk
            answer: Any = whole
        else:
            answer = able.invoke(talk)
        talk.append(answer)
        if not answer.tool_calls:
            return str(answer.text)
        talk += [
            ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"])
            for call in answer.tool_calls
        ]
    pytest.fail("the model calls the tool again and again")


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("protocol", ["chat", "anthropic", "gemini", "responses"])
def test_a_turn_with_tools(
    weather_gateway: WeatherGateway,
    upstream: ScriptedUpstream,
    model: Model,
    protocol: str,
    is_streamed: bool,
) -> None:
    assert answer_with_tools(model(weather_gateway(protocol)), is_streamed=is_streamed) == ANSWER
    _, request = upstream.requests
    assert_results_arrived(
        request.json,
        is_signed=protocol in SIGNED or (model is chat_anthropic and protocol == "responses"),
    )


@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
@pytest.mark.parametrize("protocol", ["chat", "anthropic", "gemini", "responses"])
def test_structured_output(
    weather_gateway: WeatherGateway, model: Model, protocol: str, method: str
) -> None:
    reporter = model(weather_gateway(protocol)).with_structured_output(Report, method=method)
    assert reporter.invoke("What is the weather in Turin?") == Report.model_validate(REPORT)


def test_it_continues_a_stored_response(
    weather_gateway: WeatherGateway, upstream: ScriptedUpstream
) -> None:
    llm = chat_openai(weather_gateway("gemini"), use_previous_response_id=True)
    assert answer_with_tools(llm, is_streamed=True) == ANSWER
    assert_results_arrived(upstream.requests[-1].json, is_signed=True)


def test_thinking_is_asked_for(weather_gateway: WeatherGateway, upstream: ScriptedUpstream) -> None:
    llm = chat_anthropic(
        weather_gateway("anthropic"),
        thinking={"type": "enabled", "budget_tokens": 1024},
        max_tokens=4000,
    )
    assert answer_with_tools(llm, is_streamed=False) == ANSWER
    assert upstream.requests[0].json["thinking"] == {"type": "enabled", "budget_tokens": 1024}


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_provider_that_refuses(
    weather_gateway: WeatherGateway, upstream: ScriptedUpstream, model: Model, is_streamed: bool
) -> None:
    import anthropic
    import openai

    llm = model(weather_gateway())
    upstream.default = error(400, "The scripted fault")
    with pytest.raises(
        (anthropic.BadRequestError, openai.BadRequestError), match="The scripted fault"
    ):
        answer_with_tools(llm, is_streamed=is_streamed)
    assert len(upstream.requests) == 1


def test_a_stream_that_breaks(
    weather_gateway: WeatherGateway, upstream: ScriptedUpstream, model: Model
) -> None:
    import anthropic

    llm = model(weather_gateway())
    upstream.default = cut_stream()
    # For the event `error` of the Responses API, LangChain has no class of its own.
    with pytest.raises((anthropic.APIStatusError, ValueError), match="The connection broke"):
        answer_with_tools(llm, is_streamed=True)
    assert len(upstream.requests) == 1
