"""An aiohttp session that connects only to addresses that an AddressPolicy allows.

Every address is checked twice: when a name is resolved, and when the socket for a connection is created. The second
check sees the address that is really connected to, so a name that changes its address in between gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from functools import cache

import aiohttp
import certifi
from aiohttp.abc import AbstractResolver, ResolveResult

from llms_core.upstream.addresses import AddressPolicy, Refused

_MAX_CONNECTIONS = 32

# No compression: a few bytes could expand to very many, and media are compressed already.
_HEADERS = {
    "accept": "*/*",
    "accept-encoding": "identity",
    "user-agent": "llms-core",
}


def create_session(policy: AddressPolicy) -> aiohttp.ClientSession:
    """Create a session without cookies, proxies or credentials of this machine. Must be closed."""

    def create_socket(info: aiohttp.AddrInfoType) -> socket.socket:
        family, type_, protocol, _, address = info
        try:
            policy.check(ipaddress.ip_address(str(address[0])))
        except (Refused, ValueError) as error:
            # aiohttp expects OSError from here.
            raise OSError(str(error)) from None
        return socket.socket(family, type_, protocol)

    connector = aiohttp.TCPConnector(
        resolver=GuardedResolver(policy),
        use_dns_cache=False,
        socket_factory=create_socket,
        # One request per connection: surplus bytes of one response cannot be taken for the next one.
        force_close=True,
        limit=_MAX_CONNECTIONS,
        ssl=_tls(),
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        headers=_HEADERS,
    )


class GuardedResolver(AbstractResolver):
    """The system's resolver. A name is refused if any of its addresses is."""

    def __init__(self, policy: AddressPolicy):
        self._policy = policy

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        results = []
        for address_family, _, protocol, _, socket_address in infos:
            address = ipaddress.ip_address(str(socket_address[0]))
            self._policy.check(address)
            result = ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=address_family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            results.append(result)
        return results

    async def close(self) -> None:
        """Nothing has to be released."""


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    # In addition to the system's certificates, which slim container images do not have.
    context.load_verify_locations(certifi.where())
    return context
