"""The default transport: aiohttp's client, several times cheaper per request than httpx."""

from __future__ import annotations

import io
import ssl
from collections.abc import Iterable, Mapping
from functools import lru_cache

import aiohttp
import certifi
from yarl import URL

from llms_core.errors import ErrorKind, ProviderError
from llms_core.provider import UpstreamRequest
from llms_core.upstream.transport import network_error

# Seconds that an idle connection is kept for the next request.
_KEEP_ALIVE = 30

# Seconds that an address is remembered.
_DNS_CACHE = 60

# Some providers send very long headers, such as content security policies; aiohttp's default is 8 KiB.
_MAX_HEADER_BYTES = 64 * 1024

# aiohttp warns about larger bytes objects, because it writes them in one go.
_MAX_BYTES_PAYLOAD = 1024 * 1024


class AiohttpResponse:
    """A response of aiohttp."""

    __slots__ = ("_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse):
        self._response = response
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers

    async def read(self) -> bytes:
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise network_error("The connection broke", error) from None

    async def aclose(self) -> None:
        if self._response.content.at_eof():
            self._response.release()
        else:
            # The rest of the body may never come, so the connection cannot be reused.
            self._response.close()


class AiohttpTransport:
    """Sends requests with aiohttp.

    `proxy` is a URL; with `trust_env`, the proxies of the environment are used.
    """

    def __init__(self, proxy: str | None = None, *, trust_env: bool = False):
        tls = ssl.create_default_context()
        # In addition to the system's certificates, which slim container images do not have.
        tls.load_verify_locations(certifi.where())
        # No limit on connections: the server limits the number of concurrent requests.
        connector = aiohttp.TCPConnector(limit=0, ssl=tls, ttl_dns_cache=_DNS_CACHE, keepalive_timeout=_KEEP_ALIVE)
        self._session = aiohttp.ClientSession(
            connector=connector,
            # Requests of several clients share the session.
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            request_class=_Request,
            proxy=proxy,
            trust_env=trust_env,
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
        )

    async def send(self, request: UpstreamRequest, connect_timeout: float) -> AiohttpResponse:
        try:
            response = await self._session.request(
                request.method,
                _url(request.url),
                data=_payload(request.content),
                headers=request.headers,
                allow_redirects=False,
                timeout=_timeout(connect_timeout),
            )
        except aiohttp.ConnectionTimeoutError:
            raise ProviderError(ErrorKind.TIMEOUT, f"No connection within {connect_timeout:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise network_error("The request failed", error) from None
        return AiohttpResponse(response)

    async def aclose(self) -> None:
        await self._session.close()


class _Request(aiohttp.ClientRequest):
    """A request with the adapter's headers, and none of aiohttp's own except those that HTTP requires.

    aiohttp would add Accept, Accept-Encoding and User-Agent. `skip_auto_headers` of the session has the same effect,
    but copies and merges the headers of every request: creating a request takes 7.3 µs with this class and 10.6 µs
    with that list.
    """

    def update_auto_headers(self, skip_auto_headers: Iterable[str] | None) -> None:
        """Add nothing."""


def _payload(content: bytes) -> aiohttp.BytesPayload | io.BytesIO | None:
    if not content:
        return None
    if len(content) > _MAX_BYTES_PAYLOAD:
        # Files are written in pieces.
        return io.BytesIO(content)
    return aiohttp.BytesPayload(content)


# Parsing a URL and creating a timeout take longer than the look-up; there are few different ones.


@lru_cache(maxsize=256)
def _url(url: str) -> URL:
    return URL(url, encoded=True)


@lru_cache(maxsize=256)
def _timeout(connect_timeout: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=connect_timeout, sock_connect=connect_timeout)
