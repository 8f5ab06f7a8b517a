"""GET requests that connect only to addresses that an AddressPolicy allows.

Every address is checked twice: when a name is resolved, and when the socket for a connection is created. The second
check sees the address that is really connected to, so a name that changes its address in between gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence

from llms_core.provider import UpstreamRequest
from llms_core.upstream.addresses import AddressPolicy, Refused
from llms_core.upstream.http1.connect import Connector
from llms_core.upstream.http1.connection import ConnectionBroke
from llms_core.upstream.http1.head import encode_head
from llms_core.upstream.http1.resolve import Address, Lookups, ip_literal
from llms_core.upstream.http1.response import Http1Response
from llms_core.upstream.url import Url

_MAX_CONNECTIONS = 32

# No compression: a few bytes could expand to very many, and media are compressed already.
_HEADERS = {
    "accept": "*/*",
    "accept-encoding": "identity",
    "user-agent": "llms-core",
}


class GuardedSession:
    """Sends requests without cookies, proxies or credentials of this machine."""

    def __init__(self, policy: AddressPolicy):
        self._connector = Connector(None, GuardedResolver(policy))
        self._slots = asyncio.Semaphore(_MAX_CONNECTIONS)

    async def get(self, url: Url) -> GuardedResponse:
        """Send a request and return its response, which must be closed.

        Raises Refused, OSError, ValueError, or ProviderError for an invalid response.
        """
        head = encode_head(
            UpstreamRequest(method="GET", url="", headers=_HEADERS), url, keep_alive=False
        )
        await self._slots.acquire()
        try:
            connection = await self._connector.connect(url)
            response = await connection.request(head, b"")
        except ConnectionBroke as broke:
            self._slots.release()
            raise broke.error from None
        except BaseException:
            self._slots.release()
            raise
        return GuardedResponse(response, self._slots)


class GuardedResponse:
    """A response; an asynchronous context manager that closes its connection.

    There is one request per connection: surplus bytes of one response cannot be taken for the next one.
    """

    def __init__(self, response: Http1Response, slots: asyncio.Semaphore):
        self.status = response.status
        self.headers = response.headers
        self._response = response
        self._slots = slots

    async def __aenter__(self) -> GuardedResponse:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._slots.release()
        # Its connection belongs to no pool, and is therefore aborted.
        await self._response.aclose()

    async def read(self) -> bytes:
        """Return the next piece of the body; b"" at its end. Raises ProviderError."""
        return await self._response.read()


class GuardedResolver:
    """The system's resolver, without a memory. A name is refused if any of its addresses is."""

    def __init__(self, policy: AddressPolicy):
        self._policy = policy
        # Of its own: names of clients must not keep those of providers from being looked up.
        self._lookups = Lookups()

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        """Return the addresses of a name. Raises Refused."""
        addresses = await self._lookups.find(host, port)
        # An address in the URL has been checked already, and is checked again below.
        if ip_literal(host, port) is None:
            for address in addresses:
                self._check_public(address)
        return addresses

    def check(self, address: Address) -> None:
        """Raise OSError if a connection to the address is not allowed."""
        try:
            self._check_public(address)
        except (Refused, ValueError) as error:
            # The text for clients is that of the first check; this one only fails if that one was circumvented.
            raise OSError(str(error)) from None

    def forget(self, host: str) -> None:
        """Nothing is remembered."""

    def _check_public(self, address: Address) -> None:
        self._policy.check(ipaddress.ip_address(address.host))
