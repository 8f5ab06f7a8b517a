"""A router for adapters that a test defines, without a server: for what happens inside one attempt, and when."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from msgspec.structs import replace

from llms_core.adapter_tasks import AdapterTasks
from llms_core.candidate import Configured
from llms_core.config.model import Model, Provider, Retry, Routing, Timeouts, Upstream
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.request import ChatBody, decode
from llms_core.middleware import Answered
from llms_core.operations.chat import CHAT
from llms_core.operations.table import OPERATIONS
from llms_core.plugins.host import PluginHost
from llms_core.preparation import Preparations
from llms_core.provider import ProviderSettings, ProviderSpec
from llms_core.routing import strategies
from llms_core.routing.attempt import AttemptObserver
from llms_core.routing.attempts import Router
from llms_core.routing.candidates import ModelIndex
from llms_core.routing.circuit import CircuitBreaker
from llms_core.routing.trace import RequestTrace
from llms_core.secret import redact
from llms_core.upstream.engine import create_transport

ONCE = Routing(retry=Retry(attempts=0))


class Asking:
    """A router, and the way in which tests ask it. Its providers are called `p0`, `p1`, …, by their position."""

    def __init__(
        self, router: Router, configured: list[Configured], preparations: Preparations
    ) -> None:
        self.router = router
        self.configured = configured
        self.preparations = preparations

    def adapter(self, position: int) -> Any:
        """The adapter of a provider."""
        return self.configured[position].adapter

    def discovering(self, position: int) -> Configured:
        """A provider that is asked for its models."""
        item = self.configured[position]
        return Configured(item.id, replace(item.provider, discover=True), item.adapter, None)

    def body(self, **members: Any) -> ChatBody:
        """A request for the model `m`."""
        return body(**members)

    async def ask(self, trace: RequestTrace | None = None, **members: Any) -> Answered:
        """Ask for a completion."""
        return await self.router.answer(trace or RequestTrace(), CHAT, body(**members))

    async def text(self, **members: Any) -> str:
        """The text of a whole answer."""
        answered = await self.ask(**members)
        assert answered.answer is not None
        content = json.loads(answered.answer.data)["choices"][0]["message"]["content"]
        assert isinstance(content, str)
        return content

    async def streamed(self, **members: Any) -> list[Chunk]:
        """The chunks of a stream that is read to its end."""
        answered = await self.ask(stream=True, **members)
        assert answered.stream is not None
        chunks: list[Chunk] = []
        try:
            while not answered.stream.is_complete:
                chunks += await answered.stream.read()
        finally:
            await answered.stream.aclose()
        return chunks


def body(**members: Any) -> ChatBody:
    """A request for the model `m`."""
    asked = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **members}
    return decode(json.dumps(asked).encode())


def text_of_chunks(chunks: list[Chunk]) -> str:
    """The text of the first choice."""
    views = [json.loads(chunk.data) for chunk in chunks]
    choices = [choice for view in views for choice in view["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


@asynccontextmanager
async def routing_to(
    *adapters: Callable[[ProviderSpec, ProviderSettings], Any],
    base_url: str = "http://localhost:1/v1",
    routing: Routing = ONCE,
    timeouts: Timeouts | None = None,
    spec: dict[str, Any] | None = None,
) -> AsyncIterator[Asking]:
    """Run a router with a provider for each adapter; all of them have the model `m`."""
    configured = []
    for position, adapter in enumerate(adapters):
        name = f"p{position}"
        made = ProviderSpec(name=name, adapter=adapter, title=name, **(spec or {}))
        settings = ProviderSettings(id=name, base_url=base_url)
        provider = Provider(
            id=name, spec=made, settings=settings, models=(Model(names=("m",), upstream="m"),)
        )
        configured.append(Configured(name, provider, adapter(made, settings), None))

    async def unwanted(url: str, param: str) -> tuple[str, bytes]:
        raise AssertionError(url)

    tasks = AdapterTasks()
    preparations = Preparations(tasks)
    breaker = CircuitBreaker()
    breaker.settings = routing.breaker
    transport = create_transport(Upstream())
    host = PluginHost()
    router = Router(
        models=ModelIndex(configured, OPERATIONS, breaker, preparations=preparations),
        order=strategies.create(routing),
        breaker=breaker,
        transport=transport,
        host=host,
        routing=routing,
        timeouts=timeouts or Timeouts(),
        max_bytes=2**20,
        fetch=unwanted,
        observer=AttemptObserver(breaker, host, redact, records_successes=True),
        tasks=tasks,
    )
    try:
        yield Asking(router, configured, preparations)
    finally:
        await tasks.aclose()
        await transport.aclose()
