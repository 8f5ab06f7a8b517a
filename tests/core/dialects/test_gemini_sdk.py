"""Google's SDK with providers of three protocols: OpenAI's and Anthropic's are translated, Google's is passed on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai import types

from llms_core.testing import Reply, ScriptedUpstream, text_body
from llms_core.testing.framing import encode_events, encode_json
from llms_core.testing.sample_requests import CLIENT_MODEL
from llms_core.testing.subject import Subject, find
from tests.core.server.conftest import NO_RETRIES, Pair, running

PROVIDERS = ("openai", "anthropic", "google")

pytestmark = pytest.mark.filterwarnings(
    "ignore:Inheritance class AiohttpClientSession:DeprecationWarning"
)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Pair]]:
    """Gateways with one provider each, started when they are needed."""
    started: dict[str, Pair] = {}

    with ExitStack() as stack:

        def pair_of(provider: str) -> Pair:
            if provider not in started:
                folder: Path = tmp_path_factory.mktemp(provider)
                started[provider] = stack.enter_context(
                    running(folder, NO_RETRIES, lambda up: config(provider, up))
                )
            pair = started[provider]
            pair.upstream.requests.clear()
            return pair

        yield pair_of


def config(provider: str, upstream: ScriptedUpstream) -> dict[str, Any]:
    return {"providers": {provider: find(provider, None).block(upstream.origin)}}


def reply(subject: Subject, name: str, *, streams: bool) -> Reply:
    example = subject.wire.example(name)
    assert example is not None
    if streams:
        data = b"".join(encode_events(example.events, subject.wire.framing))
        return text_body(data.decode(), media="text/event-stream")
    body = example.whole if isinstance(example.whole, bytes) else encode_json(example.whole)
    return text_body(body.decode(), media="application/json")


def expected_text(subject: Subject) -> str:
    example = subject.wire.example("text")
    assert example is not None
    return example.choices[0].text


def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"Rain in {city}"


def client_of(pair: Pair) -> genai.Client:
    options = types.HttpOptions(base_url=pair.gateway.origin, timeout=20_000)
    return genai.Client(api_key="not-needed", http_options=options)


def ask(pair: Pair, config: types.GenerateContentConfig, *, streams: bool) -> str:
    with client_of(pair) as client:
        if streams:
            stream = client.models.generate_content_stream(
                model=CLIENT_MODEL, contents="?", config=config
            )
            return "".join(each.text or "" for each in stream)
        return (
            client.models.generate_content(model=CLIENT_MODEL, contents="?", config=config).text
            or ""
        )


def ask_asynchronously(pair: Pair, config: types.GenerateContentConfig, *, streams: bool) -> str:
    async def run() -> str:
        async with client_of(pair).aio as client:
            if streams:
                stream = await client.models.generate_content_stream(
                    model=CLIENT_MODEL, contents="?", config=config
                )
                return "".join([each.text or "" async for each in stream])
            return (
                await client.models.generate_content(
                    model=CLIENT_MODEL, contents="?", config=config
                )
            ).text or ""

    return asyncio.run(run())


@pytest.mark.parametrize("asking", [ask, ask_asynchronously])
@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_it_calls_a_function_and_reads_the_answer(
    pairs: Callable[[str], Pair], provider: str, streams: bool, asking: Callable[..., str]
) -> None:
    pair = pairs(provider)
    subject = find(provider, None)
    pair.upstream.script(reply(subject, "tool_call", streams=streams))
    pair.upstream.default = reply(subject, "text", streams=streams)
    text = asking(pair, types.GenerateContentConfig(tools=[get_weather]), streams=streams)
    assert text.endswith(expected_text(subject))
    sent = json.dumps(pair.upstream.requests[-1].json, ensure_ascii=False)
    assert "Rain in Paris" in sent
    example = subject.wire.example("tool_call")
    assert example is not None
    for kept in example.kept:
        assert kept in sent


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_chat_with_thoughts_goes_on(
    pairs: Callable[[str], Pair], provider: str, streams: bool
) -> None:
    pair = pairs(provider)
    subject = find(provider, None)
    pair.upstream.default = reply(subject, "reasoning", streams=streams)
    thinking = types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
    with client_of(pair) as client:
        chat = client.chats.create(
            model=CLIENT_MODEL,
            config=types.GenerateContentConfig(thinking_config=thinking, max_output_tokens=4096),
        )
        for question in ("One", "Two"):
            if streams:
                parts = [
                    part for each in chat.send_message_stream(question) for part in each.parts or ()
                ]
            else:
                parts = list(chat.send_message(question).parts or ())
    example = subject.wire.example("reasoning")
    assert example is not None
    assert "".join(part.text or "" for part in parts if not part.thought) == example.choices[0].text
    assert (
        "".join(part.text or "" for part in parts if part.thought) == example.choices[0].reasoning
    )
    assert example.choices[0].text in json.dumps(
        pair.upstream.requests[-1].json, ensure_ascii=False
    )
