"""Both HTTP transports, each in an event loop of its own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, cast

import pytest
from clock import SkippingLoop

from llms_core.config.model import Upstream
from llms_core.upstream.engine import create_transport
from llms_core.upstream.transport import HttpTransport

if TYPE_CHECKING:
    from trustme import CA

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
                # More than any test skips of the loop's time.
                async with asyncio.timeout(300):
                    return await work(transport)
            finally:
                await transport.aclose()

        with asyncio.Runner(loop_factory=SkippingLoop) as runner:
            return runner.run(session())

    return run


@pytest.fixture(scope="session")
def authority() -> CA:
    """A private certificate authority."""
    # Imported only here: it takes a tenth of a second.
    import trustme

    return trustme.CA()


@pytest.fixture
def ca(authority: CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The file of `authority`, for `[upstream] ca`. Certificates are loaded, which tests/conftest.py prevents."""
    load = ssl.SSLContext.__mro__[1].load_verify_locations  # type: ignore[attr-defined]
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", load)
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)
