"""LlamaIndex against the gateway: SR-001, SR-069e.

Its `OpenAI` accepts only OpenAI's model names and rejects others before it sends anything: the reference's own example
cannot pass with any server. That class passes with a local name that it accepts, and `OpenAILike` with any name.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from llms_core.testing import ScriptedUpstream, completion

if TYPE_CHECKING:
    from tests.conftest import Gateway, Launch, ProviderBlock, Serve

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("llama_index") is None,
        reason="llama-index-llms-openai is not installed",
    ),
]


@pytest.fixture
def config(
    upstream: ScriptedUpstream, provider: ProviderBlock, config_of: Callable[..., dict[str, Any]]
) -> dict[str, Any]:
    """One provider with the reference's model, and one with a name that LlamaIndex accepts."""
    upstream.default = completion("Hello there, friend")
    return config_of(first=provider(upstream, {"kimi-k2": "up-kimi", "gpt-4o-mini": "up-mini"}))


@pytest.fixture
def both(config: dict[str, Any], served: Serve) -> Gateway:
    return served(config)


@pytest.mark.xfail(
    raises=ValueError,
    strict=True,
    reason="LlamaIndex's OpenAI class takes OpenAI's model names only",
)
def test_sr_069e_the_example_of_the_reference_with_its_own_model(both: Gateway) -> None:
    from llama_index.llms.openai import OpenAI

    llm = OpenAI(api_base=both.base_url, api_key="not-needed", model="kimi-k2")
    assert llm.complete("Hello!").text == "Hello there, friend"


def test_sr_069e_the_example_of_the_reference_with_a_known_name(
    config: dict[str, Any], gateway: Launch, upstream: ScriptedUpstream
) -> None:
    from llama_index.llms.openai import OpenAI

    # As in the reference, except for the address and the model.
    llm = OpenAI(api_base=gateway(config).base_url, api_key="not-needed", model="gpt-4o-mini")
    response = llm.complete("Hello!")
    assert response.text == "Hello there, friend"
    assert (upstream.requests[0].path, upstream.requests[0].json["model"]) == (
        "/v1/chat/completions",
        "up-mini",
    )


def test_sr_069e_a_known_name_streams_and_chats(both: Gateway) -> None:
    from llama_index.core.llms import ChatMessage
    from llama_index.llms.openai import OpenAI

    llm = OpenAI(api_base=both.base_url, api_key="not-needed", model="gpt-4o-mini")
    assert (
        "".join(part.delta or "" for part in llm.stream_complete("Hello!")) == "Hello there, friend"
    )
    assert (
        llm.chat([ChatMessage(role="user", content="Hello!")]).message.content
        == "Hello there, friend"
    )
    parts = llm.stream_chat([ChatMessage(role="user", content="Hello!")])
    assert "".join(part.delta or "" for part in parts) == "Hello there, friend"


def test_sr_069e_openai_like_as_a_chat_model(both: Gateway, upstream: ScriptedUpstream) -> None:
    from llama_index.core.llms import ChatMessage
    from llama_index.llms.openai_like import OpenAILike

    llm = OpenAILike(
        api_base=both.base_url, api_key="not-needed", model="kimi-k2", is_chat_model=True
    )
    assert llm.complete("Hello!").text == "Hello there, friend"
    assert (
        "".join(part.delta or "" for part in llm.stream_complete("Hello!")) == "Hello there, friend"
    )
    assert (
        llm.chat([ChatMessage(role="user", content="Hello!")]).message.content
        == "Hello there, friend"
    )
    assert {seen.json["model"] for seen in upstream.requests} == {"up-kimi"}


def test_sr_069e_openai_like_with_its_defaults(both: Gateway, upstream: ScriptedUpstream) -> None:
    """By default it uses the legacy `/v1/completions`."""
    from llama_index.core.llms import ChatMessage
    from llama_index.llms.openai_like import OpenAILike

    llm = OpenAILike(api_base=both.base_url, api_key="not-needed", model="kimi-k2")
    assert llm.complete("Hello!").text == "Hello there, friend"
    assert (
        "".join(part.delta or "" for part in llm.stream_complete("Hello!")) == "Hello there, friend"
    )
    assert (
        llm.chat([ChatMessage(role="user", content="Hello!")]).message.content
        == "Hello there, friend"
    )
    assert {seen.path for seen in upstream.requests} == {"/v1/chat/completions"}
