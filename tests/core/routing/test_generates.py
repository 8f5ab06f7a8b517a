"""Adapters that answer by themselves (`Generates`): limits, cancellation, failures, and what the client gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from adapter_router import routing_to, text_of_chunks

from llms_core.contracts.building import Chunks, completion
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage
from llms_core.contracts.request import ChatCall
from llms_core.provider import AdapterHttp, ProviderSettings, ProviderSpec, UpstreamRequest
from llms_core.testing import ScriptedUpstream, json_body

USAGE = Usage(prompt_tokens=3, completion_tokens=2)


class Base:
    def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
        self.base_url = settings.base_url


class Whole(Base):
    """Creates a job, and polls it."""

    async def generate(self, call: ChatCall, http: AdapterHttp) -> Completion:
        created = (await http.send(UpstreamRequest(url=f"{self.base_url}/jobs", headers={}))).json()
        while True:
            job = (await http.send(UpstreamRequest(url=created["url"], headers={}, method="GET"))).json()
            if job["state"] == "done":
                return completion(call, content=job["text"], finish_reason="stop", usage=USAGE)


class Streaming(Base):
    async def generate(self, call: ChatCall, http: AdapterHttp) -> AsyncIterator[Chunk]:
        chunks = Chunks(call)
        yield chunks.text("Hel")
        await asyncio.sleep(0)
        yield chunks.text("lo")
        yield chunks.finish("stop")
        yield chunks.usage(USAGE)


@pytest.mark.parametrize("stream", [False, True])
def test_chunks_become_what_the_client_wants(stream: bool) -> None:
    async def ask() -> str:
        async with routing_to(Streaming) as asking:
            return text_of_chunks(await asking.streamed()) if stream else await asking.text()

    assert asyncio.run(ask()) == "Hello"


@pytest.mark.parametrize("stream", [False, True])
def test_a_completion_becomes_what_the_client_wants(upstream: ScriptedUpstream, stream: bool) -> None:
    created: Any = json_body({"url": f"{upstream.base_url}/jobs/1"})
    upstream.script(created, json_body({"state": "running"}), json_body({"state": "done", "text": "Hello"}))

    async def ask() -> str:
        async with routing_to(Whole, base_url=upstream.base_url) as asking:
            return text_of_chunks(await asking.streamed()) if stream else await asking.text()

    assert asyncio.run(ask()) == "Hello"
