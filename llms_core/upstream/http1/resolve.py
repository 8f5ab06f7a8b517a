"""Finds the addresses of a server."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Sequence
from contextlib import suppress
from threading import Thread
from typing import Protocol

import msgspec

# Seconds that the addresses of a name are remembered.
_CACHE_SECONDS = 60.0
_CACHE_SIZE = 256

# Look-ups at a time. One that gets no answer ends after some seconds, depending on the system's settings.
_MAX_LOOKUPS = 64


class Address(msgspec.Struct, frozen=True):
    """One address of a server."""

    family: int
    #: the IP address
    host: str
    #: as `socket.connect` takes it
    sockaddr: tuple[object, ...]


class Resolver(Protocol):
    """Finds the addresses of a server."""

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        """Return the addresses, best first. Raises OSError or ValueError."""

    def check(self, address: Address) -> None:
        """Called before a socket for the address is created. Raises an exception if it must not be connected to."""

    def forget(self, host: str) -> None:
        """Called when none of the addresses could be connected to."""


class SystemResolver:
    """The system's resolver, with a short memory."""

    def __init__(self) -> None:
        self._lookups = Lookups()
        self._cache: dict[tuple[str, int], tuple[float, Sequence[Address]]] = {}

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        loop = asyncio.get_running_loop()
        now = loop.time()
        expires, addresses = self._cache.get((host, port), (now, ()))
        if now < expires:
            return addresses
        addresses = await self._lookups.find(host, port)
        if len(self._cache) >= _CACHE_SIZE:
            self._cache.clear()
        self._cache[host, port] = (now + _CACHE_SECONDS, addresses)
        return addresses

    def check(self, address: Address) -> None:
        """Allow every address: providers are chosen by the operator."""

    def forget(self, host: str) -> None:
        """Look the name up again for the next connection."""
        for key in [key for key in self._cache if key[0] == host]:
            del self._cache[key]


class Lookups:
    """Look-ups by the system's resolver, which blocks: each of them has a thread of its own.

    The event loop's threads are few, and shared by all names: as long as a DNS server does not answer for two of them,
    uvloop looks up no other, and so no other provider can be connected to. Requests for the same name share a look-up.
    """

    def __init__(self) -> None:
        self._running: dict[tuple[str, int], asyncio.Future[Sequence[Address]]] = {}

    async def find(self, host: str, port: int) -> Sequence[Address]:
        """Return the addresses of a name or of an IP address, alternating between IPv6 and IPv4. Raises OSError."""
        literal = ip_literal(host, port)
        if literal is not None:
            return (literal,)
        lookup = self._running.get((host, port)) or self._start(host, port)
        # Others may wait for it as well, and it cannot be stopped.
        return await asyncio.shield(lookup)

    def _start(self, host: str, port: int) -> asyncio.Future[Sequence[Address]]:
        if len(self._running) >= _MAX_LOOKUPS:
            raise OSError("too many names are being looked up")
        loop = asyncio.get_running_loop()
        lookup: asyncio.Future[Sequence[Address]] = loop.create_future()
        # A daemon, because the end of the process must not wait for it.
        thread = Thread(
            target=_look_up, args=(loop, lookup, host, port), name="llms-lookup", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            raise OSError(errno.ENOMEM, "no thread can be started") from None
        self._running[host, port] = lookup
        lookup.add_done_callback(lambda _: self._end(host, port))
        return lookup

    def _end(self, host: str, port: int) -> None:
        lookup = self._running.pop((host, port))
        # If every request for it was cancelled, nobody else retrieves it, and asyncio would log it as an error.
        lookup.exception()


def ip_literal(host: str, port: int) -> Address | None:
    """Return the address if `host` is an IP address, which needs no look-up."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return Address(family, host, (host, port))
    return None


def _look_up(
    loop: asyncio.AbstractEventLoop, lookup: asyncio.Future[Sequence[Address]], host: str, port: int
) -> None:
    """Look a name up, in a thread, and hand the outcome to the event loop."""
    addresses: list[Address] = []
    failure: Exception | None = None
    try:
        for family, _, _, _, sockaddr in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            addresses.append(Address(family, str(sockaddr[0]), sockaddr))
    except Exception as error:
        failure = error
    # The event loop may have been closed meanwhile.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(_finish, lookup, _interleave(addresses), failure)


def _finish(
    lookup: asyncio.Future[Sequence[Address]],
    addresses: Sequence[Address],
    failure: Exception | None,
) -> None:
    if failure is None:
        lookup.set_result(addresses)
    else:
        lookup.set_exception(failure)


def _interleave(addresses: Sequence[Address]) -> Sequence[Address]:
    """Alternate between address families, so that one that does not work costs one attempt."""
    first = [address for address in addresses if address.family == addresses[0].family]
    others = [address for address in addresses if address.family != addresses[0].family]
    mixed = []
    for index in range(max(len(first), len(others))):
        mixed += first[index : index + 1]
        mixed += others[index : index + 1]
    return mixed
