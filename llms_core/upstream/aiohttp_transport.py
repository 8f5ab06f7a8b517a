"""The fast engine: aiohttp's client."""

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


class AiohttpAnswer:
    """One answer of aiohttp's."""

    __slots__ = ("_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse):
        self._response = response
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers

    async def read(self) -> bytes:
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise _failure("The connection broke", error) from None

    async def aclose(self) -> None:
        self._response.release() if self._response.content.at_eof() else self._response.close()


class AiohttpEngine:
    """Connections are pooled without a bound of their own: the server bounds the requests at once."""

    def __init__(self, proxy: str | None = None, *, trust_env: bool = False):
        tls = ssl.create_default_context()
        tls.load_verify_locations(certifi.where())  # for machines without a store of their own
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=tls, ttl_dns_cache=60, keepalive_timeout=30),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            request_class=_Request,
            proxy=proxy,
            trust_env=trust_env,
            max_line_size=64 * 1024,
            max_field_size=64 * 1024,
        )

    async def send(self, request: UpstreamRequest, connect: float) -> AiohttpAnswer:
        try:
            response = await self._session.request(
                request.method,
                _url(request.url),
                data=_payload(request.content),
                headers=request.headers,
                allow_redirects=False,
                timeout=_timeout(connect),
            )
        except aiohttp.ConnectionTimeoutError:
            raise ProviderError(ErrorKind.TIMEOUT, f"No connection within {connect:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _failure("No answer", error) from None
        return AiohttpAnswer(response)

    async def aclose(self) -> None:
        await self._session.close()


class _Request(aiohttp.ClientRequest):
    """Sends the headers of the adapter's request, and none of aiohttp's own but what HTTP wants."""

    def update_auto_headers(self, skip_auto_headers: Iterable[str] | None) -> None:
        """None: aiohttp's list of headers to skip would be gone through at every request."""


def _payload(content: bytes) -> aiohttp.BytesPayload | io.BytesIO | None:
    """aiohttp writes bytes in one go, and warns of that above 1 MiB; a file it writes in pieces."""
    if not content:
        return None
    return io.BytesIO(content) if len(content) > 2**20 else aiohttp.BytesPayload(content)


@lru_cache(maxsize=256)
def _url(url: str) -> URL:
    return URL(url, encoded=True)


@lru_cache(maxsize=256)
def _timeout(connect: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=connect, sock_connect=connect)


def _failure(what: str, error: Exception) -> ProviderError:
    return ProviderError(ErrorKind.NETWORK, f"{what}: {error or type(error).__name__}")
