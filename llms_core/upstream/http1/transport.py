"""The default transport: the gateway's own HTTP/1.1 client."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from llms_core.errors import ErrorKind, ProviderError
from llms_core.provider import UpstreamRequest
from llms_core.upstream.http1.connect import Connector
from llms_core.upstream.http1.connection import Connection, ConnectionBroke
from llms_core.upstream.http1.head import encode_head
from llms_core.upstream.http1.pool import Pool
from llms_core.upstream.http1.resolve import SystemResolver
from llms_core.upstream.http1.response import Http1Response
from llms_core.upstream.local_limits import local_limit
from llms_core.upstream.proxy import Proxy, ProxyRules
from llms_core.upstream.transport import network_error
from llms_core.upstream.url import Url, parse_provider_url


class Http1Transport:
    """Sends requests over HTTP/1.1.

    `tls` is None for the default settings; `max_decoded` limits the size of a body that was compressed, in bytes.
    """

    def __init__(self, tls: ssl.SSLContext | None, proxies: ProxyRules, *, max_decoded: int):
        self._connector = Connector(tls, SystemResolver())
        self._proxies = proxies
        self._max_decoded = max_decoded
        self._pool = Pool()

    async def send(self, request: UpstreamRequest, connect_timeout: float) -> Http1Response:
        """Send a request. A reused connection that breaks before it answers is replaced by a new one, once."""
        try:
            url = parse_provider_url(request.url)
            proxy = self._proxies.select(url)
            head = encode_head(request, url, proxy if url.scheme == "http" else None)
        except ValueError as error:
            raise network_error("The request failed", error) from None
        key = url.origin if proxy is None else (url.origin, proxy)
        response = None
        # A server may close a connection that has been idle just when it is used again. What is still arriving from the
        # client can perhaps not be repeated, so it gets a connection of its own.
        can_be_repeated = request.upload is None or request.upload.length is not None
        connection = self._pool.take(key) if can_be_repeated else None
        if connection is not None:
            with suppress(ConnectionBroke):
                response = await _request(connection, head, request)
        if response is None:
            connection = await self._connect(url, proxy, connect_timeout)
            self._pool.add(key, connection)
            try:
                response = await _request(connection, head, request)
            except ConnectionBroke as broke:
                raise broke.error from None
        if response.is_encoded:
            await self._decode(response)
        return response

    async def aclose(self) -> None:
        """Close every connection."""
        self._pool.close()

    async def _connect(self, url: Url, proxy: Proxy | None, seconds: float) -> Connection:
        if proxy is not None and proxy.is_socks:
            message = f'The proxy {proxy} speaks SOCKS, which needs `engine = "httpx"` in [upstream] of plugins.toml'
            raise ProviderError(ErrorKind.NETWORK, message)
        try:
            async with asyncio.timeout(seconds):
                return await self._connector.connect(url, proxy)
        except TimeoutError:
            raise ProviderError(ErrorKind.TIMEOUT, f"No connection within {seconds:g} s") from None
        except (OSError, ValueError) as error:
            overloaded = local_limit(error)
            if overloaded is not None:
                # Gives the next request a chance.
                self._pool.close_idle()
                raise overloaded from None
            raise network_error("The request failed", error) from None

    async def _decode(self, response: Http1Response) -> None:
        try:
            response.decode(self._max_decoded)
        except BaseException:
            await response.aclose()
            raise


def _request(
    connection: Connection, head: bytes, request: UpstreamRequest
) -> Coroutine[Any, Any, Http1Response]:
    body = request.content if request.upload is None else request.upload
    return connection.request(head, body, is_head_request=request.method == "HEAD")
