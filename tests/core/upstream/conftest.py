"""Both HTTP transports, each in an event loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal, Protocol, TypeVar, cast

import pytest

from llms_core.config.model import Upstream
from llms_core.upstream.engine import create_transport
from llms_core.upstream.transport import HttpTransport

Name = Literal["native", "httpx"]
T = TypeVar("T")


class Talk(Protocol):
    """The fixture `talk`."""

    def __call__(self, work: Callable[[HttpTransport], Awaitable[T]], **settings: Any) -> T: ...


@pytest.fixture(params=["native", "httpx"])
def name(request: pytest.FixtureRequest) -> Name:
    return cast(Name, request.param)


@pytest.fixture
def talk(name: Name) -> Talk:
    """Run a function with a transport, and close the transport. Tests with this fixture run with both transports."""

    def run(work: Callable[[HttpTransport], Awaitable[T]], **settings: Any) -> T:
        async def session() -> T:
            transport = create_transport(Upstream(engine=name, **settings))
            try:
                async with asyncio.timeout(20):
                    return await work(transport)
            finally:
                await transport.aclose()

        return asyncio.run(session())

    return run
