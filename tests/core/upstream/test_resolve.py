"""Look-ups of names: they are shared, and one that gets no answer keeps nobody else waiting."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from http_exchange import exchange
from raw_upstream import RawUpstream, greet

from llms_core.errors import ErrorKind, ProviderError, RequestError, Unsupported
from llms_core.upstream.fetch import Fetcher
from llms_core.upstream.transport import HttpTransport

if TYPE_CHECKING:
    from tests.core.upstream.conftest import Talk

pytestmark = pytest.mark.parametrize("name", ["native"], indirect=True)

#: More than the threads of any event loop.
MANY = 50
#: How many look-ups there may be at a time.
MAX_LOOKUPS = 64


class Names:
    """Takes the place of the system's resolver: names that begin with `dead` are not answered before `end`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.end = threading.Event()
        #: how often each name was looked up
        self.asked: Counter[str] = Counter()
        self._original = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._look_up)

    def _look_up(self, host: str, *args: Any, **kwargs: Any) -> Any:
        self.asked[host] += 1
        if host.startswith("dead"):
            self.end.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return self._original("127.0.0.1", *args, **kwargs)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    names = Names(monkeypatch)
    yield names
    names.end.set()


async def begin(transport: HttpTransport, *hosts: str) -> list[asyncio.Task[tuple[int, bytes]]]:
    """Start a request to each host, and return when all of them wait."""
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(exchange(transport, f"http://{host}/")) for host in hosts]
    await asyncio.wait(tasks, timeout=0)
    return tasks


def test_names_without_an_answer_do_not_delay_others(talk: Talk, names: Names) -> None:
    """A DNS server that is down must not take the other providers down with it."""

    async def work(transport: HttpTransport) -> None:
        waiting = await begin(transport, *[f"dead{number}.example" for number in range(MANY)])
        async with RawUpstream(greet) as upstream:
            assert await exchange(transport, f"http://provider.example:{upstream.port}/") == (
                200,
                b"Hi",
            )
        assert not any(task.done() for task in waiting)
        names.end.set()
        for error in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(error, ProviderError)
            assert error.kind is ErrorKind.NETWORK

    talk(work)


def test_files_of_clients_do_not_delay_providers(talk: Talk, names: Names) -> None:
    """A client may name any number of files whose names nobody answers."""

    async def fetch(fetcher: Fetcher, number: int) -> None:
        with pytest.raises(Unsupported):
            await fetcher.fetch(f"http://dead{number}.example/image.png", "messages")

    async def work(transport: HttpTransport) -> None:
        fetcher = Fetcher()
        async with asyncio.TaskGroup() as fetches:
            for number in range(MAX_LOOKUPS * 2):
                fetches.create_task(fetch(fetcher, number))
            async with RawUpstream(greet) as upstream:
                assert await exchange(transport, f"http://provider.example:{upstream.port}/") == (
                    200,
                    b"Hi",
                )
            names.end.set()

    talk(work)


def test_requests_for_one_name_share_a_look_up(talk: Talk, names: Names) -> None:
    async def work(transport: HttpTransport) -> None:
        waiting = await begin(transport, *["dead.example"] * MANY)
        waiting[0].cancel()
        await asyncio.wait(waiting[:1])
        assert waiting[0].cancelled()
        names.end.set()
        for error in await asyncio.gather(*waiting[1:], return_exceptions=True):
            assert isinstance(error, ProviderError)
        assert names.asked == {"dead.example": 1}
        # What failed is not remembered.
        with pytest.raises(ProviderError):
            await exchange(transport, "http://dead.example/")
        assert names.asked == {"dead.example": 2}

    talk(work)


def test_the_number_of_look_ups_is_limited(talk: Talk, names: Names) -> None:
    async def work(transport: HttpTransport) -> None:
        waiting = await begin(
            transport, *[f"dead{number}.example" for number in range(MAX_LOOKUPS)]
        )
        with pytest.raises(ProviderError, match="too many names"):
            await exchange(transport, "http://provider.example/")
        names.end.set()
        await asyncio.wait(waiting)
        async with RawUpstream(greet) as upstream:
            assert await exchange(transport, f"http://provider.example:{upstream.port}/") == (
                200,
                b"Hi",
            )

    talk(work)


def test_a_machine_without_threads_is_not_blamed_on_the_provider(
    talk: Talk, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def work(transport: HttpTransport) -> None:
        monkeypatch.setattr(threading.Thread, "start", start)
        with pytest.raises(RequestError) as caught:
            await exchange(transport, "http://provider.example/")
        assert (caught.value.status, caught.value.code) == (503, "overloaded")

    talk(work)
