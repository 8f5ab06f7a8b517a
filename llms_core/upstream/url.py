"""Parses the URL of a request into what a connection and a request line need."""

from __future__ import annotations

import ipaddress
import re
from base64 import b64encode
from functools import lru_cache
from urllib.parse import SplitResult, quote, unquote, urlsplit

import msgspec

DEFAULT_PORTS = {"http": 80, "https": 443}

# Underscores occur in the names of containers.
_VALID_NAME = re.compile(r"[A-Za-z0-9._~-]+")

# A name in DNS has at most 253 characters.
_MAX_HOST = 255

# Everything that may occur in a path or query, "%" included: what is escaped already stays as it is.
_SAFE = "%/:?#[]@!$&'()*+,;=-._~"


class Url(msgspec.Struct, frozen=True):
    """An http(s) URL."""

    scheme: str
    #: a name in ASCII, or an IP address without brackets
    host: str
    port: int
    #: scheme, host and port: what a connection is reused for
    origin: tuple[str, str, int]
    #: path and query, escaped
    target: str
    #: host and port for the Host header; the port only if it is not the scheme's default
    authority: str
    #: the value of an Authorization header for a user and password in the URL; empty without them
    authorization: str

    @property
    def path(self) -> str:
        """The path without the query, escaped."""
        return self.target.partition("?")[0]

    @property
    def absolute(self) -> str:
        """The whole URL, as a proxy expects it in a request line."""
        return f"{self.scheme}://{self.authority}{self.target}"


def parse_url(url: str) -> Url:
    """Parse an http(s) URL. Raises ValueError if it is invalid."""
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS:
        raise ValueError("The URL does not begin with http:// or https://")
    default_port = DEFAULT_PORTS[parts.scheme]
    host = ascii_host(parts.hostname or "")
    port = _port(parts) or default_port
    # Only this machine knows the zone of an address.
    authority = f"[{host.partition('%')[0]}]" if ":" in host else host
    if port != default_port:
        authority = f"{authority}:{port}"
    target = parts.path or "/"
    if parts.query:
        target = f"{target}?{parts.query}"
    return Url(
        scheme=parts.scheme,
        host=host,
        port=port,
        origin=(parts.scheme, host, port),
        target=quote(target, safe=_SAFE),
        authority=authority,
        authorization=basic_authorization(
            unquote(parts.username or ""), unquote(parts.password or "")
        ),
    )


#: Parses a provider's URL: providers have few different ones, and the look-up is faster. Not for the URLs of clients,
#: which may have any length, and would be kept.
parse_provider_url = lru_cache(maxsize=512)(parse_url)


def _port(parts: SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError:
        # Its message may contain a part of a password, such as after a "/" that is not escaped.
        raise ValueError("The URL's port is invalid") from None


def ascii_host(host: str) -> str:
    """Return a URL's host in ASCII, in lower case. Raises ValueError if it is invalid."""
    if len(host) > _MAX_HOST:
        raise ValueError("The URL's host is too long")
    if ":" in host:
        # The zone of a link-local address, which RFC 6874 escapes.
        return str(ipaddress.IPv6Address(host.replace("%25", "%", 1)))
    if not host.isascii():
        # IDNA; it also maps other forms of digits and dots, so that an address cannot hide in them.
        host = host.encode("idna").decode("ascii")
    if not _VALID_NAME.fullmatch(host):
        raise ValueError("The URL's host is invalid")
    return host.lower()


def basic_authorization(username: str, password: str) -> str:
    """Return the value of an Authorization or Proxy-Authorization header; "" without user and password."""
    if not username and not password:
        return ""
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode("ascii")
