"""The transport that runs everywhere: httpx's transport is called directly, which avoids the cost of AsyncClient."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import httpx

from llms_core.errors import ErrorKind, ProviderError
from llms_core.provider import UpstreamRequest
from llms_core.upstream.transport import network_error

# Seconds that an idle connection is kept for the next request.
_KEEP_ALIVE = 30


class HttpxResponse:
    """A response of httpx."""

    __slots__ = ("_pieces", "_response", "headers", "status")

    def __init__(self, response: httpx.Response):
        self._response = response
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._pieces: AsyncIterator[bytes] = response.aiter_bytes()

    async def read(self) -> bytes:
        try:
            # A piece can be empty when a body is compressed, but b"" means the end here.
            async for piece in self._pieces:
                if piece:
                    return piece
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise network_error("The connection broke", error) from None
        return b""

    async def aclose(self) -> None:
        await self._response.aclose()


class HttpxTransport:
    """Sends requests with httpx.

    `transport` is for tests, and for proxies, HTTP/2 or TLS settings of your own.
    """

    def __init__(self, proxy: str | None = None, *, transport: httpx.AsyncBaseTransport | None = None):
        # The server limits the number of concurrent requests; a second limit here would only queue them.
        limits = httpx.Limits(
            max_connections=None,
            max_keepalive_connections=None,
            keepalive_expiry=_KEEP_ALIVE,
        )
        self._transport = transport or httpx.AsyncHTTPTransport(limits=limits, proxy=proxy)

    async def send(self, request: UpstreamRequest, connect_timeout: float) -> HttpxResponse:
        try:
            response = await self._transport.handle_async_request(
                httpx.Request(
                    request.method,
                    request.url,
                    headers=request.headers,
                    content=request.content,
                    extensions={"timeout": {"connect": connect_timeout}},
                )
            )
        except httpx.TimeoutException:
            raise ProviderError(ErrorKind.TIMEOUT, f"No connection within {connect_timeout:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise network_error("The request failed", error) from None
        return HttpxResponse(response)

    async def aclose(self) -> None:
        await self._transport.aclose()
