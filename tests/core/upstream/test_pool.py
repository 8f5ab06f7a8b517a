"""Connections of the native engine: which are reused, for how long, and what repeats a request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from llms_core.config.model import Upstream
from llms_core.errors import ErrorKind, ProviderError
from llms_core.provider import UpstreamRequest
from llms_core.testing import Body, Close, Raw, Reply, Reset, ScriptedUpstream, Status, text_body
from llms_core.upstream.engine import create_transport
from llms_core.upstream.http1.connection import Connection
from llms_core.upstream.http1.pool import Pool
from llms_core.upstream.transport import HttpTransport

T = TypeVar("T")


def run(work: Callable[[HttpTransport], Awaitable[T]]) -> T:
    async def session() -> T:
        transport = create_transport(Upstream())
        try:
            async with asyncio.timeout(20):
                return await work(transport)
        finally:
            await transport.aclose()

    return asyncio.run(session())


async def ask(
    transport: HttpTransport, upstream: ScriptedUpstream, method: str = "POST"
) -> tuple[int, bytes]:
    content = b"{}" if method == "POST" else b""
    request = UpstreamRequest(url=upstream.base_url, headers={}, content=content, method=method)
    response = await transport.send(request, 5)
    body = b""
    try:
        while piece := await response.read():
            body += piece
    finally:
        await response.aclose()
    return response.status, body


OK = text_body("Hi")


@pytest.mark.parametrize("broken", [Reply(Close()), Reply(Reset())], ids=["closed", "reset"])
def test_a_request_is_repeated_if_a_reused_connection_breaks(
    upstream: ScriptedUpstream, broken: Reply
) -> None:
    """Once, and on a new connection."""
    upstream.script(OK, broken, OK)

    async def work(transport: HttpTransport) -> None:
        for _ in range(2):
            assert await ask(transport, upstream) == (200, b"Hi")

    run(work)
    assert [seen.connection for seen in upstream.requests] == [1, 1, 2]


def test_a_request_is_repeated_only_once(upstream: ScriptedUpstream) -> None:
    upstream.script(OK, Reply(Close()), Reply(Close()), OK)

    async def work(transport: HttpTransport) -> None:
        await ask(transport, upstream)
        with pytest.raises(ProviderError) as caught:
            await ask(transport, upstream)
        assert caught.value.kind is ErrorKind.NETWORK

    run(work)
    assert len(upstream.requests) == 3


def test_a_request_is_not_repeated_on_a_new_connection(upstream: ScriptedUpstream) -> None:
    upstream.default = Reply(Close())

    async def work(transport: HttpTransport) -> None:
        with pytest.raises(ProviderError):
            await ask(transport, upstream)

    run(work)
    assert len(upstream.requests) == 1


def test_a_request_is_not_repeated_after_the_first_byte_of_its_response(
    upstream: ScriptedUpstream,
) -> None:
    upstream.script(OK, Reply(Raw(b"H"), Close()))

    async def work(transport: HttpTransport) -> None:
        await ask(transport, upstream)
        with pytest.raises(ProviderError):
            await ask(transport, upstream)

    run(work)
    assert len(upstream.requests) == 2


SURPLUS = {
    "another response": Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged"),
    "the beginning of one": Raw(b"HTTP/1.1 2"),
    "other bytes": Raw(b"surplus"),
}


@pytest.mark.parametrize("surplus", SURPLUS)
def test_surplus_bytes_do_not_become_the_next_response(
    upstream: ScriptedUpstream, surplus: str
) -> None:
    upstream.script(
        Reply(Status(200), Body(b"one"), SURPLUS[surplus]), Reply(Status(200), Body(b"two"))
    )

    async def work(transport: HttpTransport) -> list[tuple[int, bytes]]:
        first = await ask(transport, upstream)
        await asyncio.sleep(0.05)
        return [first, await ask(transport, upstream)]

    assert run(work) == [(200, b"one"), (200, b"two")]


def test_a_response_to_head_has_no_body(upstream: ScriptedUpstream) -> None:
    upstream.script(Reply(Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n")), OK)

    async def work(transport: HttpTransport) -> list[tuple[int, bytes]]:
        return [await ask(transport, upstream, "HEAD"), await ask(transport, upstream)]

    assert run(work) == [(200, b""), (200, b"Hi")]


class Idle(Connection):
    """A connection without a socket."""

    def abort(self) -> None:
        self.closed = True


def idle(pool: Pool, loop: asyncio.AbstractEventLoop, count: int) -> list[Idle]:
    """Add connections to the pool and make them idle."""
    connections = [Idle(loop) for _ in range(count)]
    for connection in connections:
        pool.add("key", connection)
        pool.released(connection)
    return connections


def test_the_connection_that_was_used_last_is_reused_first() -> None:
    async def work() -> None:
        pool = Pool()
        first, second = idle(pool, asyncio.get_running_loop(), 2)
        assert pool.take("another key") is None
        assert pool.take("key") is second
        assert pool.take("key") is first
        assert pool.take("key") is None
        pool.close()

    asyncio.run(work())


def test_the_number_of_idle_connections_is_limited() -> None:
    async def work() -> None:
        pool = Pool(max_idle=2)
        connections = idle(pool, asyncio.get_running_loop(), 3)
        assert [connection.closed for connection in connections] == [False, False, True]
        pool.take("key")
        assert not idle(pool, asyncio.get_running_loop(), 1)[0].closed
        pool.close()

    asyncio.run(work())


def test_idle_connections_are_closed_after_a_while() -> None:
    async def work() -> None:
        pool = Pool(keep_alive=0.02)
        connections = idle(pool, asyncio.get_running_loop(), 3)
        await asyncio.sleep(0.1)
        assert all(connection.closed for connection in connections)
        assert pool.take("key") is None

    asyncio.run(work())


def test_an_expired_connection_is_not_reused_before_it_is_closed() -> None:
    async def work() -> None:
        pool = Pool()
        old, fresh = idle(pool, asyncio.get_running_loop(), 2)
        old.idle_since -= 31
        assert pool.take("key") is fresh
        assert pool.take("key") is None
        assert old.closed
        pool.close()

    asyncio.run(work())


def test_a_connection_that_the_server_closed_is_forgotten() -> None:
    async def work() -> None:
        pool = Pool(max_idle=1)
        [connection] = idle(pool, asyncio.get_running_loop(), 1)
        pool.lost(connection)
        assert pool.take("key") is None
        assert not idle(pool, asyncio.get_running_loop(), 1)[0].closed
        pool.close()

    asyncio.run(work())
