"""The transport for SOCKS proxies: httpx's transport, called directly, which avoids the cost of AsyncClient."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping

import httpx

from llms_core.errors import ErrorKind, ProviderError
from llms_core.provider import UpstreamRequest
from llms_core.upstream.compression import (
    ACCEPT_ENCODING,
    BodyDecoder,
    create_decoder,
    read_decoded,
)
from llms_core.upstream.local_limits import local_limit
from llms_core.upstream.proxy import Proxy, ProxyRules
from llms_core.upstream.tls import default_tls_context
from llms_core.upstream.transport import break_reason, network_error
from llms_core.upstream.url import parse_provider_url

# Seconds that an idle connection is kept for the next request.
_KEEP_ALIVE = 30


class HttpxResponse:
    """A response of httpx."""

    __slots__ = ("_decoder", "_pieces", "_response", "headers", "status")

    def __init__(self, response: httpx.Response, decoder: BodyDecoder | None):
        self._response = response
        self._decoder = decoder
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._pieces: AsyncIterator[bytes] = response.aiter_raw()

    async def read(self) -> bytes:
        """Return the next piece of the body as soon as it arrives; b"" at its end."""
        if self._decoder is None:
            return await self._next_piece()
        return await read_decoded(self._decoder, self._next_piece)

    @property
    def exhausted(self) -> bool:
        """False: httpx only tells at the next read."""
        return False

    async def aclose(self) -> None:
        """Release the connection."""
        await self._response.aclose()

    async def _next_piece(self) -> bytes:
        try:
            async for piece in self._pieces:
                if piece:
                    return piece
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise ProviderError(
                ErrorKind.NETWORK, f"The connection broke: {break_reason(error)}"
            ) from None
        return b""


class HttpxTransport:
    """Sends requests with httpx.

    `transport` replaces those for direct connections and for proxies, for tests, HTTP/2 or settings of your own.
    `max_decoded` limits the size of a body that was compressed, in bytes. `tls` is None for the default settings.
    """

    def __init__(
        self,
        tls: ssl.SSLContext | None,
        proxies: ProxyRules,
        *,
        max_decoded: int,
        transport: httpx.AsyncBaseTransport | None = None,
    ):
        self._tls = tls
        self._proxies = proxies
        self._max_decoded = max_decoded
        self._custom = transport
        #: created when they are needed; None is for direct connections
        self._transports: dict[Proxy | None, httpx.AsyncBaseTransport] = {}

    async def send(self, request: UpstreamRequest, connect_timeout: float) -> HttpxResponse:
        """Send a request; return when the head of the response has arrived."""
        try:
            url = parse_provider_url(request.url)
            transport = await self._transport_for(self._proxies.select(url))
            headers = {"accept-encoding": ACCEPT_ENCODING, **request.headers}
            if url.authorization:
                headers.setdefault("authorization", url.authorization)
            if request.upload is not None and request.upload.length is not None:
                headers["content-length"] = str(request.upload.length)
            response = await transport.handle_async_request(
                httpx.Request(
                    request.method,
                    request.url,
                    headers=headers,
                    content=request.content if request.upload is None else request.upload.pieces(),
                    extensions={"timeout": {"connect": connect_timeout}},
                )
            )
        except httpx.TimeoutException:
            raise ProviderError(
                ErrorKind.TIMEOUT, f"No connection within {connect_timeout:g} s"
            ) from None
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError) as error:
            raise ProviderError(
                ErrorKind.NETWORK, f"The request failed: {break_reason(error)}"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise local_limit(error) or network_error("The request failed", error) from None
        decoder = create_decoder(response.headers.get("content-encoding", ""), self._max_decoded)
        return HttpxResponse(response, decoder)

    async def aclose(self) -> None:
        """Close every connection."""
        for transport in self._transports.values():
            await transport.aclose()
        if self._custom is not None:
            await self._custom.aclose()

    async def _transport_for(self, proxy: Proxy | None) -> httpx.AsyncBaseTransport:
        if self._custom is not None:
            return self._custom
        if self._tls is None:
            self._tls = await default_tls_context()
        if proxy not in self._transports:
            self._transports[proxy] = self._create(proxy, self._tls)
        return self._transports[proxy]

    def _create(self, proxy: Proxy | None, tls: ssl.SSLContext) -> httpx.AsyncBaseTransport:
        # The server limits the number of concurrent requests; a second limit here would only queue them.
        limits = httpx.Limits(
            max_connections=None,
            max_keepalive_connections=None,
            keepalive_expiry=_KEEP_ALIVE,
        )
        try:
            return httpx.AsyncHTTPTransport(
                verify=tls, limits=limits, proxy=_httpx_proxy(proxy, tls)
            )
        except ImportError:
            message = f"The proxy {proxy} speaks SOCKS, which needs the package 'socksio'"
            raise ProviderError(ErrorKind.NETWORK, message) from None


def _httpx_proxy(proxy: Proxy | None, tls: ssl.SSLContext) -> httpx.Proxy | None:
    if proxy is None:
        return None
    credentials = None
    if proxy.username or proxy.password:
        credentials = (proxy.username, proxy.password)
    return httpx.Proxy(
        str(proxy), auth=credentials, ssl_context=tls if proxy.scheme == "https" else None
    )
