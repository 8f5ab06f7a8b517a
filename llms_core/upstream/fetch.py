"""Media that a request names by URL, for adapters that need the bytes: one guarded fetch.

Only http and https, and only public addresses: of each name all addresses are checked, and a connection is made to
those that were checked and to no other, so that a name that changes its address in between gains nothing. Redirects are
checked alike. Size, time and what is sent are bounded; neither proxies nor credentials of this machine are used.
"""

from __future__ import annotations

import asyncio
import ipaddress
import mimetypes
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import cache

import aiohttp
import certifi
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from llms_core.errors import Unsupported

LARGEST = 20 * 1024 * 1024
"""Bytes of one file."""

PATIENCE = 20.0
"""Seconds for one file, redirects included."""

_REDIRECTS = 5
_KINDS = (
    "image/", "audio/", "video/", "text/plain", "text/csv", "text/markdown",
    "application/pdf", "application/msword", "application/vnd.ms-", "application/vnd.openxmlformats-",
)  # fmt: skip
_PLAIN = re.compile(r"[a-z]+/[a-z0-9.+-]+")  # it becomes a part of a data URI
_UNTOLD = ("", "application/octet-stream", "binary/octet-stream")  # what stores of files say of whatever they hold

# What Python's `is_global`, or an older version of it, takes for public: the relays of 6to4 among IPv4 addresses, and
# of IPv6 whatever is not unicast, or only wraps an IPv4 address (6to4) or a document's example.
_UNICAST = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC = tuple(map(ipaddress.ip_network, ("192.88.99.0/24", "2002::/16", "3fff::/20")))
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

# A host that ends so is an IPv4 address for many a resolver (0x7f.1, 0177.0.0.1, 2130706433), not a name.
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.*", re.IGNORECASE | re.DOTALL)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class _Refused(Exception):
    """The URL is not one to be asked."""


class Fetcher:
    """Fetches media. `allowed` are networks that may be asked although they are not public."""

    def __init__(self, allowed: Sequence[str] = (), *, largest: int = LARGEST, patience: float = PATIENCE):
        self._allowed = tuple(ipaddress.ip_network(network) for network in allowed)
        self._largest, self._patience = largest, patience
        self._session: aiohttp.ClientSession | None = None

    async def fetch(self, url: str, param: str) -> tuple[str, bytes]:
        """(media type, bytes). Raises Unsupported, naming `param`, where it cannot or must not be had."""
        try:
            async with asyncio.timeout(self._patience):
                return await self._follow(URL(url))
        except _Refused as error:
            why = str(error)
        except TimeoutError:
            why = f"it did not arrive within {self._patience:g} s"
        except (aiohttp.ClientError, OSError, ValueError):
            why = "it cannot be fetched"
        raise Unsupported(f"The file named by '{param}' was not fetched: {why}", param=param)

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    async def _follow(self, url: URL) -> tuple[str, bytes]:
        for _ in range(_REDIRECTS + 1):
            self._check(url)
            async with self._open().get(url, allow_redirects=False) as response:
                if response.status in (301, 302, 303, 307, 308) and "location" in response.headers:
                    url = url.join(URL(response.headers["location"]))
                    continue
                if response.status != 200:
                    raise _Refused(f"its server answered {response.status}")
                if response.headers.get("content-encoding", "identity").lower() != "identity":
                    raise _Refused("it is compressed, which was not asked for")
                return _kind(response.headers.get("content-type", ""), url), await self._bounded(response)
        raise _Refused(f"it is redirected more than {_REDIRECTS} times")

    async def _bounded(self, response: aiohttp.ClientResponse) -> bytes:
        too_large = _Refused(f"it has over {self._largest} bytes")
        if (response.content_length or 0) > self._largest:
            raise too_large
        pieces, size = [], 0
        while piece := await response.content.readany():
            size += len(piece)
            if size > self._largest:
                raise too_large
            pieces.append(piece)
        return b"".join(pieces)

    def _check(self, url: URL) -> None:
        """An address that is written out is checked here: of it no resolver is asked."""
        host = url.raw_host or ""
        if url.scheme not in ("http", "https") or url.user or url.password or not host or "%" in host:
            raise _Refused("it is not a plain http(s) URL")
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            if _NUMBER.fullmatch(host):
                raise _Refused("its host is a number, but no address") from None
            return
        self._check_address(address)

    def _check_address(self, address: Address) -> None:
        if isinstance(address, ipaddress.IPv6Address):
            address = _wrapped(address) or address
        if any(address in network for network in self._allowed):
            return
        unicast = address.version == 4 or address in _UNICAST
        if not unicast or not address.is_global or address.is_multicast or any(address in net for net in _NOT_PUBLIC):
            raise _Refused("its address is not a public one")

    def _socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        """A socket for a connection that is about to be made: the last place where its address can be checked."""
        family, kind, protocol, _, target = info
        try:
            self._check_address(ipaddress.ip_address(str(target[0])))
        except (_Refused, ValueError) as error:
            raise OSError(str(error)) from None
        return socket.socket(family, kind, protocol)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=_Resolver(self._check_address),
                use_dns_cache=False,
                socket_factory=self._socket,
                force_close=True,  # what a server sends too much can be taken for no other answer
                limit=32,
                ssl=_tls(),
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,  # a few bytes could become many; media are compressed as they are
                headers={"accept": "*/*", "accept-encoding": "identity", "user-agent": "llms-core"},
            )
        return self._session


class _Resolver(AbstractResolver):
    """The system's resolver; a name is refused if one of its addresses is."""

    def __init__(self, check: Callable[[Address], None]):
        self._check = check

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        results = []
        for of_family, _, protocol, _, target in found:
            address = ipaddress.ip_address(str(target[0]))
            self._check(address)
            results.append(
                ResolveResult(
                    hostname=host, host=str(address), port=port, family=of_family, proto=protocol,
                    flags=socket.AI_NUMERICHOST,
                )
            )  # fmt: skip
        return results

    async def close(self) -> None:
        """Nothing is held."""


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())  # for machines without a store of their own
    return context


def _wrapped(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that packets to an IPv6 address reach: by the socket itself, or by a NAT64's translation."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped


def _kind(header: str, url: URL) -> str:
    """The media type: what the server says, or where that says nothing, what the name of the file does."""
    kind = header.partition(";")[0].strip().lower()
    if kind in _UNTOLD:
        kind = mimetypes.guess_type(url.path)[0] or kind
    if not kind.startswith(_KINDS) or not _PLAIN.fullmatch(kind):
        raise _Refused(f"its content type is '{kind[:100]}', not that of media")
    return kind
