"""Connecting: servers with several addresses, and IPv6; and requests that are answered before they are sent."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest
from clock import skip_time
from http_exchange import exchange
from raw_upstream import Connection, RawUpstream, greet

from llms_core.errors import ErrorKind, ProviderError
from llms_core.upstream.http1 import connect as connecting
from llms_core.upstream.transport import HttpTransport

if TYPE_CHECKING:
    from tests.core.upstream.conftest import Talk

native_only = pytest.mark.parametrize("name", ["native"], indirect=True)

#: Seconds until a further address is tried beside one that does not answer, in these tests: more than they take.
STAGGER = 100.0


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "_STAGGER", STAGGER)


def test_addresses_are_tried_a_quarter_of_a_second_after_one_another() -> None:
    """As RFC 8305 recommends."""
    assert connecting._STAGGER == 0.25


# Several addresses


async def begin(transport: HttpTransport, connect: float) -> asyncio.Task[tuple[int, bytes]]:
    """Start a request, and return when it waits for the first of several addresses."""
    before = len(asyncio.all_tasks())
    sent = asyncio.ensure_future(exchange(transport, "http://provider.example/", connect=connect))
    # The request's task, and one for the attempt, which begins when a thread has looked the name up.
    while len(asyncio.all_tasks()) < before + 2:  # noqa: ASYNC110 - no event tells of it
        await asyncio.sleep(0)
    return sent


@pytest.fixture
def refused() -> Iterator[int]:
    """Yield a port at which nothing listens."""
    # Bound, so that nothing else can listen there.
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def unresponsive() -> Iterator[int]:
    """Yield a port whose backlog is full: the kernel does not answer further connections."""
    with ExitStack() as sockets, socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        for _ in range(8):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


Resolve = Callable[..., None]


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Let every name have addresses that differ in their port."""

    def resolve_to(*ports: int) -> None:
        infos = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]

        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: infos)

    return resolve_to


@native_only
@pytest.mark.usefixtures("_patient")
def test_an_address_that_refuses_is_skipped(talk: Talk, resolve: Resolve, refused: int) -> None:
    """The next address is not kept waiting for one that has failed."""

    async def work(transport: HttpTransport) -> None:
        async with RawUpstream(greet) as upstream:
            resolve(refused, refused, upstream.port)
            assert await exchange(transport, "http://provider.example/", connect=STAGGER / 2) == (
                200,
                b"Hi",
            )

    talk(work)


@native_only
@pytest.mark.usefixtures("_patient")
def test_an_address_that_does_not_answer_is_overtaken(
    talk: Talk, resolve: Resolve, unresponsive: int
) -> None:
    """Such as IPv6 in a network that drops it."""

    async def work(transport: HttpTransport) -> None:
        async with RawUpstream(greet) as upstream:
            resolve(unresponsive, upstream.port)
            sent = await begin(transport, connect=STAGGER * 1.5)
            await skip_time(STAGGER)
            assert await sent == (200, b"Hi")
            # Only the attempt that has won is left.
            await asyncio.sleep(0)
            assert len(asyncio.all_tasks()) == 2

    talk(work)


@native_only
def test_addresses_that_all_refuse_are_a_network_error(
    talk: Talk, resolve: Resolve, refused: int
) -> None:
    async def work(transport: HttpTransport) -> None:
        resolve(refused, refused)
        with pytest.raises(ProviderError) as caught:
            await exchange(transport, "http://provider.example/")
        assert caught.value.kind is ErrorKind.NETWORK
        assert str(refused) in str(caught.value)

    talk(work)


@native_only
def test_the_time_for_connecting_covers_all_addresses(
    talk: Talk, resolve: Resolve, unresponsive: int
) -> None:
    async def work(transport: HttpTransport) -> None:
        resolve(*[unresponsive] * 10)
        sent = await begin(transport, connect=STAGGER)
        await skip_time(STAGGER)
        with pytest.raises(ProviderError) as caught:
            await sent
        assert caught.value.kind is ErrorKind.TIMEOUT

    talk(work)


@native_only
@pytest.mark.parametrize("before", ["refused", "unresponsive"])
def test_addresses_are_looked_up_again_after_none_could_be_connected_to(
    talk: Talk, resolve: Resolve, request: pytest.FixtureRequest, before: str
) -> None:
    """A server that has moved is found at once."""

    async def work(transport: HttpTransport) -> None:
        async with RawUpstream(greet) as upstream:
            resolve(request.getfixturevalue(before))
            with pytest.raises(ProviderError):
                await exchange(transport, "http://provider.example/", connect=0.1)
            resolve(upstream.port)
            assert await exchange(transport, "http://provider.example/") == (200, b"Hi")

    talk(work)


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_an_ipv6_address_can_be_connected_to(talk: Talk) -> None:
    hosts: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await Connection(reader, writer, 1).request()
        assert request is not None
        hosts.append(request.headers["host"])
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nHi")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def work(transport: HttpTransport) -> None:
        server = await asyncio.start_server(answer, "::1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            assert await exchange(transport, f"http://[::1]:{port}/v1") == (200, b"Hi")
        finally:
            server.close()
        assert hosts == [f"[::1]:{port}"]

    talk(work)


@native_only
@pytest.mark.parametrize("zone", ["%25eth0", "%eth0"])
def test_the_zone_of_an_ipv6_address_is_for_this_machine_only(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    """RFC 6874: it chooses the network, and the server's name is without it."""
    asked: list[str] = []

    async def answer(connection: Connection) -> None:
        request = await connection.request()
        assert request is not None
        assert request.headers["host"].startswith("[fe80::1]:")
        await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nHi")

    async def work(transport: HttpTransport) -> None:
        async with RawUpstream(answer) as upstream:

            def resolve(host: str, *_: object, **__: object) -> object:
                asked.append(host)
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", upstream.port))]

            monkeypatch.setattr(socket, "getaddrinfo", resolve)
            assert await exchange(transport, f"http://[fe80::1{zone}]:{upstream.port}/") == (
                200,
                b"Hi",
            )
        assert asked == ["fe80::1%eth0"]

    talk(work)


# Responses that precede the end of their request

#: Larger than the buffers of two sockets.
LARGE = b"x" * 16 * 1024 * 1024


@native_only
@pytest.mark.parametrize("status", [200, 413])
def test_a_response_can_precede_the_end_of_its_request(talk: Talk, status: int) -> None:
    """The server reads no further; nothing else can be sent on the connection."""

    async def answer(connection: Connection) -> None:
        request = await connection.request_head()
        assert request is not None
        if request.target == "/small":
            await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nHi")
            await connection.wait_closed()
            return
        await connection.send(b"HTTP/1.1 %d Early\r\ncontent-length: 5\r\n\r\nEnded" % status)
        await ended.wait()

    async def work(transport: HttpTransport) -> None:
        async with RawUpstream(answer) as upstream:
            assert await exchange(transport, f"{upstream.origin}/large", LARGE) == (
                status,
                b"Ended",
            )
            assert await exchange(transport, f"{upstream.origin}/small") == (200, b"Hi")
            assert upstream.accepted == 2
            ended.set()

    ended = asyncio.Event()
    talk(work)


@native_only
def test_the_body_of_a_slow_upload_arrives_completely(talk: Talk) -> None:
    async def answer(connection: Connection) -> None:
        head = await connection.request_head()
        assert head is not None
        left = int(head.headers["content-length"])
        while left:
            left -= len(await connection.reader.read(256 * 1024))
            await asyncio.sleep(0.001)
        await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nHi")
        assert await connection.request() is not None
        await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nAgain")

    async def work(transport: HttpTransport) -> None:
        async with RawUpstream(answer) as upstream:
            assert await exchange(transport, upstream.origin, LARGE) == (200, b"Hi")
            assert await exchange(transport, upstream.origin) == (200, b"Again")

    talk(work)


@pytest.fixture
def refuses_and_closes() -> Iterator[str]:
    """Yield the URL of a server that reads only the beginning of each request, refuses it, and closes the connection.

    It runs in a thread, so that it may do that while the client writes. As bytes are unread, the kernel resets the
    connection.
    """

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection, suppress(OSError):
                    connection.recv(1000)
                    connection.sendall(
                        b"HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 5\r\n\r\nEnded"
                    )

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@native_only
@pytest.mark.parametrize("size", [10, 100_000, 1_000_000, 8_000_000])
def test_a_refusal_is_read_although_the_connection_is_reset(
    talk: Talk, refuses_and_closes: str, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The client learns that its request is too large, and not that the provider is unreachable.

    This is not certain: if the reset arrives between two looks at the socket, the next write fails, and the response is
    lost. Without these looks, nine out of ten are.
    """
    statuses: list[int] = []

    async def work(transport: HttpTransport) -> None:
        for _ in range(20):
            with suppress(ProviderError):
                status, _ = await exchange(transport, refuses_and_closes, LARGE[:size])
                statuses.append(status)

    talk(work)
    assert len(statuses) > 12
    assert set(statuses) == {413}
    # asyncio logs further writes to a connection that is lost.
    assert caplog.records == []
