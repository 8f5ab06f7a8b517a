"""The engine that is always there: an httpx transport, called directly, without AsyncClient's cost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import httpx

from llms_core.errors import ErrorKind, ProviderError
from llms_core.provider import UpstreamRequest


class HttpxAnswer:
    """One answer of httpx's."""

    __slots__ = ("_pieces", "_response", "headers", "status")

    def __init__(self, response: httpx.Response):
        self._response = response
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._pieces: AsyncIterator[bytes] = response.aiter_bytes()

    async def read(self) -> bytes:
        try:
            async for piece in self._pieces:
                if piece:
                    return piece
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise _failure("The connection broke", error) from None
        return b""

    async def aclose(self) -> None:
        await self._response.aclose()


class HttpxEngine:
    """Takes any `httpx.AsyncBaseTransport`: for tests, proxies, HTTP/2 or TLS settings of one's own."""

    def __init__(self, proxy: str | None = None, *, transport: httpx.AsyncBaseTransport | None = None):
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=30)
        self._transport = transport or httpx.AsyncHTTPTransport(limits=limits, proxy=proxy)

    async def send(self, request: UpstreamRequest, connect: float) -> HttpxAnswer:
        try:
            response = await self._transport.handle_async_request(
                httpx.Request(
                    request.method,
                    request.url,
                    headers=request.headers,
                    content=request.content,
                    extensions={"timeout": {"connect": connect}},
                )
            )
        except httpx.TimeoutException:
            raise ProviderError(ErrorKind.TIMEOUT, f"No connection within {connect:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise _failure("No answer", error) from None
        return HttpxAnswer(response)

    async def aclose(self) -> None:
        await self._transport.aclose()


def _failure(what: str, error: Exception) -> ProviderError:
    return ProviderError(ErrorKind.NETWORK, f"{what}: {error or type(error).__name__}")
