"""Media that a request names by URL, for adapters that need the bytes: one guarded fetch.

Only http and https, only public addresses (those that the connection is really made to, so that a name that changes
its address between check and use gains nothing), redirects checked alike, bounded in size, time and number.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from llms_core.errors import Unsupported

LARGEST = 20 * 1024 * 1024
"""Bytes of one file."""

PATIENCE = 20.0
"""Seconds for one file, redirects included."""

_REDIRECTS = 5
_KINDS = ("image/", "audio/", "video/", "application/pdf", "text/plain")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class _Refused(Exception):
    """The address is not one to be asked."""


class Fetcher:
    """Fetches media. `allowed` are networks that may be asked although they are not public."""

    def __init__(self, allowed: Sequence[str] = ()):
        self._allowed = tuple(ipaddress.ip_network(network) for network in allowed)
        self._session: aiohttp.ClientSession | None = None

    async def fetch(self, url: str, param: str) -> tuple[str, bytes]:
        """(media type, bytes). Raises Unsupported, naming `param`, where it cannot or must not be had."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._follow(URL(url), param)
        except _Refused as error:
            raise _refusal(param, str(error)) from None
        except TimeoutError:
            raise _refusal(param, f"it did not arrive within {PATIENCE:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise _refusal(param, "it cannot be fetched") from None

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    async def _follow(self, url: URL, param: str) -> tuple[str, bytes]:
        for _ in range(_REDIRECTS + 1):
            self._check(url)
            async with self._open().get(url, allow_redirects=False) as response:
                if response.status in (301, 302, 303, 307, 308) and "location" in response.headers:
                    url = url.join(URL(response.headers["location"]))
                    continue
                if response.status != 200:
                    raise _Refused(f"its server answered {response.status}")
                kind = response.content_type
                if not kind.startswith(_KINDS):
                    raise _Refused(f"its content type is {kind}, not that of media")
                return kind, await _bounded(response)
        raise _Refused(f"it is redirected more than {_REDIRECTS} times")

    def _check(self, url: URL) -> None:
        """Of an address that is written out no resolver is asked, so it is checked here."""
        if url.scheme not in ("http", "https") or url.user or url.password or not url.host:
            raise _Refused("it is not a plain http(s) URL")
        try:
            address = ipaddress.ip_address(url.host)
        except ValueError:
            return
        self._check_address(str(address))

    def _check_address(self, text: str) -> None:
        address = ipaddress.ip_address(text.partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address):
            address = address.ipv4_mapped or address.sixtofour or address
        if any(address.version == network.version and address in network for network in self._allowed):
            return
        if not address.is_global or address.is_multicast:
            raise _Refused("its address is not a public one")

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(resolver=_Checked(self._check_address), limit=16, ttl_dns_cache=None)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, headers={"accept": "*/*"}
            )
        return self._session


class _Checked(AbstractResolver):
    """Resolves with the system's resolver, and refuses what is not to be connected to."""

    def __init__(self, check: Callable[[str], None]):
        self._check = check

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=socket.AF_UNSPEC)
        results = []
        for family_, _, protocol, _, address in found:
            self._check(str(address[0]))
            results.append(
                ResolveResult(
                    hostname=host, host=str(address[0]), port=port, family=family_, proto=protocol,
                    flags=socket.AI_NUMERICHOST,
                )
            )  # fmt: skip
        return results

    async def close(self) -> None:
        """Nothing is held."""


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    pieces, size = [], 0
    while piece := await response.content.readany():
        size += len(piece)
        if size > LARGEST:
            raise _Refused(f"it has over {LARGEST} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def _refusal(param: str, why: str) -> Unsupported:
    return Unsupported(f"The file named by '{param}' was not fetched: {why}", param=param)
