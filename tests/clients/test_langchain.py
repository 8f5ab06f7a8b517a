"""LangChain's `ChatOpenAI` against the gateway: SR-001, SR-069d; as it sees them, SR-032, SR-053 … SR-056, SR-062."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from llms_core.testing import ScriptedUpstream, completion, error, events, json_body

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI

    from tests.conftest import Launch, ProviderBlock, Serve

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("langchain_openai") is None,
        reason="langchain-openai is not installed",
    ),
]

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


@pytest.fixture
def config(
    upstream: ScriptedUpstream, provider: ProviderBlock, config_of: Callable[..., dict[str, Any]]
) -> dict[str, Any]:
    return config_of(first=provider(upstream, {"kimi-k2": "moonshotai/kimi-k2"}))


@pytest.fixture
def llm(config: dict[str, Any], served: Serve, monkeypatch: pytest.MonkeyPatch) -> ChatOpenAI:
    from langchain_openai import ChatOpenAI

    monkeypatch.setenv("LANGSMITH_TRACING", "false")
    kimi = served(config)
    return ChatOpenAI(base_url=kimi.base_url, api_key="not-needed", model="kimi-k2")  # type: ignore[arg-type]


def test_sr_069d_the_example_of_the_reference(
    config: dict[str, Any], gateway: Launch, upstream: ScriptedUpstream
) -> None:
    from langchain_openai import ChatOpenAI

    upstream.default = completion("Hello! How can I help you today?")
    # As in the reference, except for the address.
    llm = ChatOpenAI(base_url=gateway(config).base_url, api_key="not-needed", model="kimi-k2")  # type: ignore[arg-type]
    response = llm.invoke("Hello!")
    assert response.content == "Hello! How can I help you today?"


def test_sr_069d_metadata_of_the_answer(llm: ChatOpenAI, upstream: ScriptedUpstream) -> None:
    response = llm.invoke("Hello!")
    assert response.response_metadata["model_name"] == "kimi-k2"
    assert response.response_metadata["finish_reason"] == "stop"
    assert response.usage_metadata is not None
    assert response.usage_metadata["total_tokens"] > 0
    assert upstream.requests[0].json["messages"] == [{"role": "user", "content": "Hello!"}]


def test_sr_069d_async(llm: ChatOpenAI, upstream: ScriptedUpstream) -> None:
    upstream.default = completion("Hello, async!")

    async def ask() -> object:
        try:
            return (await llm.ainvoke("Hello!")).content
        finally:
            await llm.root_async_client.close()  # LangChain keeps it beyond the event loop

    assert asyncio.run(ask()) == "Hello, async!"


def test_sr_069d_stream(llm: ChatOpenAI, upstream: ScriptedUpstream) -> None:
    """SR-053 and SR-054; LangChain needs the content of each chunk and the finish reason in the last."""
    upstream.default = completion("One two three")
    parts = list(llm.stream("Hello!"))
    assert [part.content for part in parts if part.content] == ["One", " two", " three"]
    reasons = [part.response_metadata.get("finish_reason") for part in parts]
    assert [reason for reason in reasons if reason] == ["stop"]
    assert upstream.requests[0].json["stream"] is True


def test_sr_055_stream_with_usage(llm: ChatOpenAI, upstream: ScriptedUpstream) -> None:
    upstream.default = completion("One two three")
    used = [
        part.usage_metadata
        for part in llm.stream("Hello!", stream_usage=True)
        if part.usage_metadata
    ]
    assert [usage["output_tokens"] for usage in used] == [3]


def test_sr_032_tools_round_trip(llm: ChatOpenAI, upstream: ScriptedUpstream) -> None:
    from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage

    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city":"Turin"}'},
    }
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    frame = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "up",
    }
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    upstream.script(json_body({**frame, "choices": [choice], "usage": usage}), completion("Sunny."))

    able = llm.bind_tools([WEATHER])
    asked = able.invoke("What is the weather in Turin?")
    assert [(call["name"], call["args"], call["id"]) for call in asked.tool_calls] == [
        ("weather", {"city": "Turin"}, "call_1")
    ]
    talk: list[BaseMessage] = [HumanMessage("What is the weather in Turin?"), asked]
    assert able.invoke([*talk, ToolMessage("sunny", tool_call_id="call_1")]).content == "Sunny."
    first, second = (seen.json for seen in upstream.requests)
    assert first["tools"] == [WEATHER]
    assert [message["role"] for message in second["messages"]] == ["user", "assistant", "tool"]
    assert second["messages"][1]["tool_calls"][0]["id"] == "call_1"
    assert second["messages"][2]["tool_call_id"] == "call_1"


def test_sr_056_streamed_tool_calls(llm: ChatOpenAI, upstream: ScriptedUpstream) -> None:
    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "up",
            "choices": [choice],
        }

    def call(index: int, arguments: str, **more: object) -> dict[str, Any]:
        name = {"name": "weather"} if more else {}
        return chunk(
            {"tool_calls": [{"index": index, **more, "function": {**name, "arguments": arguments}}]}
        )

    upstream.script(
        events(
            chunk({"role": "assistant", "content": None}),
            call(0, "", id="call_1", type="function"),
            call(0, '{"city":"Tu'),
            call(1, "", id="call_2", type="function"),
            call(1, '{"city":"Oslo"}'),
            call(0, 'rin"}'),
            chunk({}, "tool_calls"),
            "[DONE]",
        )
    )
    whole, *parts = llm.bind_tools([WEATHER]).stream("Compare Turin and Oslo")
    for part in parts:
        whole = whole + part  # type: ignore[assignment]  # chunks add up to a chunk
    assert sorted((call["id"] or "", call["args"]["city"]) for call in whole.tool_calls) == [
        ("call_1", "Turin"),
        ("call_2", "Oslo"),
    ]


def test_sr_062_errors_are_the_clients_own(llm: ChatOpenAI, upstream: ScriptedUpstream) -> None:
    import openai

    with pytest.raises(openai.NotFoundError) as missing:
        llm.invoke("Hello!", model="unknown-model")
    assert missing.value.code == "model_not_found"
    upstream.default = error(400, "No", code="context_length_exceeded")
    with pytest.raises(openai.BadRequestError) as refused:
        llm.invoke("Hello!")
    assert refused.value.code == "context_length_exceeded"
