"""Opens connections: races a server's addresses, and adds TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence

from llms_core.upstream.http1.connection import Connection
from llms_core.upstream.http1.resolve import Address, Resolver
from llms_core.upstream.http1.tunnel import Tunnel
from llms_core.upstream.local_limits import refine_connect_error
from llms_core.upstream.proxy import Proxy
from llms_core.upstream.tls import default_tls_context
from llms_core.upstream.url import Url

# Seconds until the next address is tried beside the ones before it ("happy eyeballs", RFC 8305).
_STAGGER = 0.25


class Connector:
    """Opens connections with the given resolver and TLS settings; None means those of `default_tls_context`."""

    def __init__(self, tls: ssl.SSLContext | None, resolver: Resolver):
        self._tls = tls
        self._resolver = resolver

    async def connect(self, url: Url, proxy: Proxy | None = None) -> Connection:
        """Return a connection for requests to `url`. Raises OSError or ValueError."""
        connection = Connection(asyncio.get_running_loop())
        if proxy is None:
            await self._open(connection, url.host, url.port, use_tls=url.scheme == "https")
        elif url.scheme == "http":
            # The proxy takes the request itself.
            await self._open(connection, proxy.host, proxy.port, use_tls=proxy.scheme == "https")
        else:
            await self._open_through(connection, url, proxy)
        return connection

    async def _open_through(self, connection: Connection, url: Url, proxy: Proxy) -> None:
        """Connect by way of the proxy, which only sees encrypted bytes."""
        tls = await self._tls_context()
        tunnel = Tunnel(asyncio.get_running_loop())
        transport = await self._open(
            tunnel, proxy.host, proxy.port, use_tls=proxy.scheme == "https"
        )
        try:
            await tunnel.open(url, proxy)
        except BaseException:
            transport.abort()
            raise
        await _encrypt(transport, connection, tls, url.host)

    async def _open(
        self, protocol: asyncio.Protocol, host: str, port: int, *, use_tls: bool
    ) -> asyncio.Transport:
        tls = await self._tls_context() if use_tls else None
        connected = await self._open_socket(host, port)
        if tls is None:
            return await _take_over(connected, protocol)
        transport = await _take_over(connected, asyncio.Protocol())
        return await _encrypt(transport, protocol, tls, host)

    async def _tls_context(self) -> ssl.SSLContext:
        return self._tls or await default_tls_context()

    async def _open_socket(self, host: str, port: int) -> socket.socket:
        addresses = await self._resolver.resolve(host, port)
        try:
            if len(addresses) == 1:
                return await self._connect(addresses[0])
            return await self._race(addresses)
        except (OSError, asyncio.CancelledError):
            # None of them has answered, perhaps not even in time.
            self._resolver.forget(host)
            raise

    async def _connect(self, address: Address) -> socket.socket:
        self._resolver.check(address)
        connecting = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            connecting.setblocking(False)
            # A model may think for minutes; without keep-alive, a router in between may forget the connection.
            connecting.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            await asyncio.get_running_loop().sock_connect(connecting, address.sockaddr)
        except OSError as error:
            connecting.close()
            raise refine_connect_error(error, address.family, address.sockaddr) from None
        except BaseException:
            connecting.close()
            raise
        return connecting

    async def _race(self, addresses: Sequence[Address]) -> socket.socket:
        """Try the addresses one after the other, each a quarter of a second after the one before; the first wins."""
        loop = asyncio.get_running_loop()
        waiting = list(addresses)
        running: set[asyncio.Task[socket.socket]] = set()
        errors: list[Exception] = []
        try:
            while waiting or running:
                if waiting:
                    running.add(loop.create_task(self._connect(waiting.pop(0))))
                timeout = _STAGGER if waiting else None
                done, running = await asyncio.wait(
                    running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
                )
                winner = _first_connected(done, errors)
                if winner is not None:
                    return winner
        finally:
            for task in running:
                # It may connect before it is cancelled.
                task.add_done_callback(_close_result)
                task.cancel()
        if not errors:
            raise OSError("the name has no address")
        # Several addresses usually fail for the same reason.
        reasons = "; ".join(dict.fromkeys(str(error) for error in errors))
        raise OSError(reasons) from ExceptionGroup("every address failed", errors)


async def _take_over(connected: socket.socket, protocol: asyncio.Protocol) -> asyncio.Transport:
    """Return a transport, which owns the socket from now on."""
    try:
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: protocol, sock=connected
        )
    except BaseException:
        connected.close()
        raise
    return transport


async def _encrypt(
    transport: asyncio.Transport, protocol: asyncio.Protocol, tls: ssl.SSLContext, host: str
) -> asyncio.Transport:
    """Start TLS, and return the transport for what is encrypted.

    `create_connection` could do this as well. But if it is cancelled before the handshake begins, asyncio leaves its
    transport open; the number of a socket that is closed below it may then be given to another connection.
    """
    try:
        if transport.is_closing():
            # `start_tls` would not notice that the connection has ended already.
            raise ConnectionError("the connection was closed before the TLS handshake")
        encrypted = await asyncio.get_running_loop().start_tls(
            transport, protocol, tls, server_hostname=host
        )
    except BaseException:
        transport.abort()
        raise
    if encrypted is None:
        raise ConnectionError("the connection was closed during the TLS handshake")
    protocol.connection_made(encrypted)
    return encrypted


def _first_connected(
    done: set[asyncio.Task[socket.socket]], errors: list[Exception]
) -> socket.socket | None:
    """Return the socket of one task that has connected, close those of others, and collect errors."""
    winner = None
    for task in done:
        error = task.exception()
        if error is None and winner is None:
            winner = task.result()
        elif error is None:
            task.result().close()
        elif isinstance(error, Exception):
            errors.append(error)
        else:
            raise error
    return winner


def _close_result(task: asyncio.Task[socket.socket]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()
