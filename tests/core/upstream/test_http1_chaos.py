"""Connections break, and requests are cancelled, at random: no caller sees an error, and nothing is leaked."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import socket
import ssl
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

import pytest
from http_exchange import exchange
from raw_upstream import Connection, RawUpstream

from llms_core.config.model import Upstream
from llms_core.errors import ProviderError
from llms_core.secret import Secret
from llms_core.upstream.engine import create_transport
from llms_core.upstream.transport import HttpTransport

if TYPE_CHECKING:
    from trustme import CA

    from tests.core.upstream.conftest import Name

#: Requests at once.
CONCURRENCY = 8

#: Requests and cancellations; acceptance: 100,000 and 10,000.
REQUESTS = int(os.environ.get("LLMS_TEST_CHAOS_REQUESTS", "300"))
CANCELLATIONS = int(os.environ.get("LLMS_TEST_CHAOS_CANCELLATIONS", "200"))
SLOW_REQUESTS = 20_000
SLOW_CANCELLATIONS = 10_000

#: Requests per second, at least.
MIN_RATE = 20

#: For what httpx does not do: it repeats no request, so that a connection which is closed at the wrong moment fails it.
#: And it leaks a connection if a request is cancelled just when it is connected (seen in httpcore 1.0 with anyio 4).
native_only = pytest.mark.parametrize("name", ["native"], indirect=True)


async def at_once(count: int, work: Callable[[int], Awaitable[None]]) -> None:
    """Call `work` with each number below `count`, a few at a time."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await work(number)

    async with asyncio.timeout(10 + count / MIN_RATE), asyncio.TaskGroup() as workers:
        for _ in range(CONCURRENCY):
            workers.create_task(worker())


def run(main: Awaitable[None]) -> None:
    async def awaited() -> None:
        await main

    asyncio.run(awaited())


# An upstream that closes idle connections


class ClosesIdleConnections:
    """Answers every first request of a connection, and closes the connection at some point after that.

    The point is chosen at random: together with the response, a moment later, when the next request has arrived, or
    by a reset instead. What the client sent to a connection that is being closed is lost.
    """

    def __init__(self, seed: int):
        self._random = random.Random(seed)
        #: how connections were closed
        self.closed: Counter[str] = Counter()

    async def answer(self, connection: Connection) -> None:
        answered = 0
        while request := await connection.request():
            if answered and self._random.random() < 0.2:
                self._close(connection, "at a request")
                return
            await connection.send(self._response(request.body))
            answered += 1
            match self._random.choice(("keep", "keep", "keep", "now", "soon")):
                case "now":
                    self._close(connection, "with the response")
                    return
                case "soon":
                    await asyncio.sleep(self._random.random() * 0.004)
                    self._close(connection, "while it was idle")
                    return

    def _close(self, connection: Connection, moment: str) -> None:
        self.closed[moment] += 1
        if self._random.random() < 0.3:
            self.closed["reset"] += 1
            connection.reset()

    def _response(self, body: bytes) -> bytes:
        if self._random.random() < 0.5:
            return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        return (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n" % len(body)
            + body
            + b"\r\n0\r\n\r\n"
        )


async def send_many(name: Name, count: int, seed: int) -> None:
    chaos = ClosesIdleConnections(seed)
    pauses = random.Random(seed)
    transport = create_transport(Upstream(engine=name))

    async def send(number: int) -> None:
        content = b"request %d" % number
        # A body that is written in pieces is repeated as well.
        if number % 50 == 0:
            content = content.ljust(300_000, b".")
        assert await exchange(transport, upstream.origin, content) == (200, content)
        if pauses.random() < 0.3:
            await asyncio.sleep(pauses.random() * 0.004)

    async with RawUpstream(chaos.answer) as upstream:
        await at_once(count, send)
        await transport.aclose()
        await upstream.wait_until_closed()
    moments = {"at a request", "with the response", "while it was idle", "reset"}
    assert chaos.closed.keys() == moments


@native_only
def test_no_caller_sees_that_idle_connections_are_closed(name: Name) -> None:
    run(send_many(name, REQUESTS, seed=1))


@pytest.mark.slow
@native_only
def test_no_caller_of_many_sees_that_idle_connections_are_closed(name: Name) -> None:
    run(send_many(name, max(REQUESTS, SLOW_REQUESTS), seed=2))


@native_only
def test_a_request_is_repeated_only_once_and_on_a_new_connection(name: Name) -> None:
    """All idle connections break at once, such as when a server restarts."""
    requests: list[tuple[int, bytes]] = []
    waiting = 0
    all_wait = asyncio.Event()

    async def answer(connection: Connection) -> None:
        nonlocal waiting
        while request := await connection.request():
            requests.append((connection.number, request.body))
            if request.body == b"second" and connection.number <= CONCURRENCY:
                return
            if request.body == b"first":
                waiting += 1
                if waiting == CONCURRENCY:
                    all_wait.set()
                # So that each request needs a connection of its own.
                await all_wait.wait()
            await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nHi")

    async def work() -> None:
        transport = create_transport(Upstream(engine=name))
        async with RawUpstream(answer) as upstream:
            first = [exchange(transport, upstream.origin, b"first") for _ in range(CONCURRENCY)]
            await asyncio.gather(*first)
            assert await exchange(transport, upstream.origin, b"second") == (200, b"Hi")
            await transport.aclose()
        assert [body for _, body in requests[CONCURRENCY:]] == [b"second", b"second"]
        assert requests[-1][0] == CONCURRENCY + 1

    run(work())


# Cancellation

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"

#: Larger than the buffers of two sockets, so that it cannot be written completely to a server that does not read.
LARGE = b"x" * 8 * 1024 * 1024


async def stalls(connection: Connection) -> None:
    """Stop at the stage that the path of the request names."""
    while request := await connection.request():
        match request.target:
            case "/head":
                await connection.wait_closed()
            case "/within-head":
                await connection.send(HEAD[:20])
                await connection.wait_closed()
            case "/body":
                await connection.send(HEAD, b"5\r\nHello\r\n")
                await connection.wait_closed()
            case _:
                await connection.send(HEAD, b"5\r\nHello\r\n", b"0\r\n\r\n")


async def ignores_everything(connection: Connection) -> None:
    """Accept a connection, read all of it, and never answer: neither to TLS nor to CONNECT."""
    await connection.wait_closed()


async def tunnels_into_silence(connection: Connection) -> None:
    """Be a proxy whose tunnels lead to a server that does not answer."""
    await connection.request_head()
    await connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await connection.wait_closed()


async def reads_nothing(connection: Connection) -> None:
    """Accept a connection, and leave what the client sends in the socket's buffers."""
    connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.sleep(3600)


@asynccontextmanager
async def unresponsive_port() -> AsyncIterator[int]:
    """Yield a port whose backlog is full: the kernel does not answer further connections."""
    waiting = [socket.socket() for _ in range(8)]
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(listening.getsockname())
            yield listening.getsockname()[1]
        finally:
            for one in waiting:
                one.close()


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


#: The name of the stage that can end before it is cancelled.
ANY = "any"


class Stage(NamedTuple):
    """A request that stops at one stage until it is cancelled."""

    name: str
    transport: HttpTransport
    url: str
    content: bytes = b"{}"


class Cancellations:
    """Cancels requests at random moments of every stage."""

    def __init__(self, name: Name, seed: int, *, ca: str, tls: ssl.SSLContext):
        self._name = name
        self._ca = ca
        self._tls = tls
        self._random = random.Random(seed)
        #: by stage, how many requests were cancelled
        self.cancelled: Counter[str] = Counter()
        #: what the event loop would have logged, such as exceptions that nobody retrieves
        self.reported: list[str] = []
        self._lookups = 0
        self._all_cancelled = threading.Event()

    async def run(self, count: int) -> None:
        """Cancel `count` requests, and verify that nothing is left of them."""
        # What asyncio would log.
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: self.reported.append(repr(context))
        )
        with self._unresolved():
            await self._run(count)
        # The system's resolver cannot be stopped, but one look-up was enough for all requests.
        assert self._lookups == 1

    async def _run(self, count: int) -> None:
        async with (
            RawUpstream(stalls) as upstream,
            RawUpstream(stalls, tls=self._tls) as encrypted,
            RawUpstream(ignores_everything) as silent,
            RawUpstream(tunnels_into_silence) as proxy,
            RawUpstream(reads_nothing) as unread,
            unresponsive_port() as port,
        ):
            direct = create_transport(Upstream(engine=self._name, ca=self._ca))
            behind_silence = create_transport(
                Upstream(engine=self._name, proxy=Secret(silent.origin))
            )
            behind_proxy = create_transport(Upstream(engine=self._name, proxy=Secret(proxy.origin)))
            # What is opened once and kept is not a leak.
            await exchange(direct, upstream.origin + "/complete", b"{}")
            before = self._open()
            stages = [
                Stage("resolve", direct, "http://unresolved.example/"),
                Stage("connect", direct, f"http://127.0.0.1:{port}/"),
                Stage("TLS", direct, silent.origin.replace("http:", "https:")),
                Stage("proxy", behind_silence, "https://provider.example/"),
                Stage("TLS behind the proxy", behind_proxy, "https://provider.example/"),
                Stage("head over TLS", direct, encrypted.origin + "/head"),
                Stage("body over TLS", direct, encrypted.origin + "/body"),
                Stage("write", direct, unread.origin, LARGE),
                Stage("head", direct, upstream.origin + "/head"),
                Stage("within head", direct, upstream.origin + "/within-head"),
                Stage("body", direct, upstream.origin + "/body"),
                Stage(ANY, direct, upstream.origin + "/complete"),
            ]
            await at_once(count, lambda number: self._cancel(stages[number % len(stages)]))
            for server in (silent, proxy, encrypted):
                await server.wait_until_closed()
            # Requests that were not cancelled in time have left an idle connection at most.
            assert upstream.open_connections <= CONCURRENCY
            self._all_cancelled.set()
            with pytest.raises(ProviderError, match="name resolution"):
                await exchange(direct, "http://unresolved.example/", b"{}")
            # The transport still works.
            assert await exchange(direct, upstream.origin + "/complete", b"{}") == (200, b"Hello")
            for transport in (direct, behind_silence, behind_proxy):
                await transport.aclose()
            await upstream.wait_until_closed()
            # A server that does not read does not notice that its connections are closed, and has to be stopped.
            await unread.__aexit__(None, None, None)
            await self._wait_until_none_is_left(before)
        assert self.cancelled.keys() == {stage.name for stage in stages}
        assert self.reported == []

    @contextmanager
    def _unresolved(self) -> Iterator[None]:
        """Do not resolve one name until the requests have been cancelled."""
        original = socket.getaddrinfo

        def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
            if host == "unresolved.example":
                self._lookups += 1
                self._all_cancelled.wait()
                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
            return original(host, *args, **kwargs)

        with mock.patch.object(socket, "getaddrinfo", resolve):
            try:
                yield
            finally:
                self._all_cancelled.set()

    async def _cancel(self, stage: Stage) -> None:
        task = asyncio.ensure_future(exchange(stage.transport, stage.url, stage.content))
        # At once, after some turns of the event loop, or after some time.
        match self._random.randrange(3):
            case 0:
                for _ in range(self._random.randrange(12)):
                    await asyncio.sleep(0)
            case 1:
                await asyncio.sleep(self._random.random() * 0.003)
            case _:
                await asyncio.sleep(self._random.random() * 0.02)
        task.cancel()
        async with asyncio.timeout(5):
            await asyncio.wait([task])
        if task.cancelled():
            self.cancelled[stage.name] += 1
        else:
            assert stage.name == ANY
            assert task.result() == (200, b"Hello")

    def _open(self) -> tuple[int, int]:
        """Return the numbers of file descriptors and tasks."""
        gc.collect()
        return open_descriptors(), len(asyncio.all_tasks())

    async def _wait_until_none_is_left(self, before: tuple[int, int]) -> None:
        for _ in range(200):
            descriptors, tasks = self._open()
            if descriptors <= before[0] and tasks <= before[1]:
                return
            await asyncio.sleep(0.01)
        pytest.fail(f"file descriptors and tasks: {before} before, {(descriptors, tasks)} after")


@pytest.fixture
def server_tls(authority: CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@native_only
@pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(), reason="file descriptors are counted in /proc"
)
def test_a_cancelled_request_leaves_nothing_behind(
    name: Name, ca: str, server_tls: ssl.SSLContext
) -> None:
    """SR-059: at every stage."""
    run(Cancellations(name, seed=1, ca=ca, tls=server_tls).run(CANCELLATIONS))


@pytest.mark.slow
@native_only
@pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(), reason="file descriptors are counted in /proc"
)
def test_many_cancelled_requests_leave_nothing_behind(
    name: Name, ca: str, server_tls: ssl.SSLContext
) -> None:
    """SR-059: at every stage."""
    run(
        Cancellations(name, seed=2, ca=ca, tls=server_tls).run(
            max(CANCELLATIONS, SLOW_CANCELLATIONS)
        )
    )
