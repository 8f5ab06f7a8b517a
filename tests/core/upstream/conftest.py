"""Both HTTP clients, each talked to in an event loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal, Protocol, TypeVar, cast

import pytest

from llms_core.config.model import Upstream
from llms_core.upstream.transport import HttpTransport, create_transport

Name = Literal["aiohttp", "httpx"]
T = TypeVar("T")


class Talk(Protocol):
    """The fixture `talk`."""

    def __call__(self, work: Callable[[HttpTransport], Awaitable[T]], **settings: Any) -> T: ...


@pytest.fixture(params=["aiohttp", "httpx"])
def name(request: pytest.FixtureRequest) -> Name:
    return cast(Name, request.param)


@pytest.fixture
def talk(name: Name) -> Talk:
    """Runs what talks to an engine, and closes the engine after it; a test that takes this runs on both engines."""

    def run(work: Callable[[HttpTransport], Awaitable[T]], **settings: Any) -> T:
        async def session() -> T:
            engine = create_transport(Upstream(engine=name, **settings))
            try:
                async with asyncio.timeout(20):
                    return await work(engine)
            finally:
                await engine.aclose()

        return asyncio.run(session())

    return run
