"""Which addresses the gateway may connect to for a client: public ones, and those that the operator allows (SR-036)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Of IPv6, only global unicast addresses are public. Python's `is_global` is about single reserved ranges.
_UNICAST = ipaddress.IPv6Network("2000::/3")

# Ranges that are `is_global` for Python, or for an older version of it.
_NOT_PUBLIC: tuple[Network, ...] = (
    ipaddress.IPv4Network("192.88.99.0/24"),  # relays of 6to4
    ipaddress.IPv6Network("2002::/16"),  # 6to4: contains an IPv4 address, which may be private
    ipaddress.IPv6Network("3fff::/20"),  # documentation
)

# NAT64: how machines that have only IPv6 reach IPv4 addresses.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

# Many resolvers take a host that ends like this for an IPv4 address (0x7f.1, 0177.0.0.1, 2130706433), not for a name.
_NUMERIC_HOST = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.*", re.IGNORECASE | re.DOTALL)


class Refused(Exception):
    """A file that must not or cannot be fetched. The message is a clause that begins with `it` or `its`."""


class AddressPolicy:
    """Decides which addresses may be connected to.

    `allowed` are networks (`10.1.0.0/16`) that may be connected to although they are not public.
    """

    def __init__(self, allowed: Sequence[str] = ()):
        self._allowed = [ipaddress.ip_network(network) for network in allowed]

    def check(self, address: Address) -> None:
        """Raise Refused if the address must not be connected to."""
        if isinstance(address, ipaddress.IPv6Address):
            address = _embedded(address) or address
        if any(address in network for network in self._allowed):
            return
        if not _is_public(address):
            raise Refused("its address is not public")

    def check_host(self, host: str) -> None:
        """Raise Refused if a URL's host is an address that must not be connected to, or looks like one.

        A name is not checked here, but its addresses are once it is resolved.
        """
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            if _NUMERIC_HOST.fullmatch(host):
                raise Refused("its host is a number, but not a valid IP address") from None
            return
        self.check(address)


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that packets to an IPv6 address reach, through a NAT64 or as an IPv4-mapped address."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address not in _UNICAST:
        return False
    if any(address in network for network in _NOT_PUBLIC):
        return False
    return address.is_global and not address.is_multicast
