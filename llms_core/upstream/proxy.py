"""Which proxy a request goes through: `[upstream] proxy` or the environment, by curl's rules.

- For http URLs `http_proxy`, for https URLs `https_proxy`, and for both `all_proxy` if that one is not set. The name in
  lower case takes precedence over upper case; an empty variable counts as not set.
- Hosts of `no_proxy` are connected to directly, even if `[upstream] proxy` is set. Its items are separated by commas or
  spaces: a host or domain, which includes everything below it; an IP address or a network such as `10.0.0.0/8`; `*` for
  every host. As an addition to curl's rules, an item may end in a port.
- A proxy without a scheme is an HTTP proxy; without a port, it listens on 1080, or 443 for an HTTPS proxy.

`~/.netrc` is never read.
"""

from __future__ import annotations

import ipaddress
import os
import re
from functools import lru_cache
from typing import Self
from urllib.parse import unquote, urlsplit

import msgspec

from llms_core.upstream.url import Url, ascii_host, basic_authorization

_PORTS = {"http": 1080, "https": 443}
# Neither transport speaks SOCKS 4.
_SOCKS = ("socks5", "socks5h")
_SOCKS_PORT = 1080


class Proxy(msgspec.Struct, frozen=True):
    """A proxy. Neither `str` nor `repr` shows its password."""

    scheme: str
    host: str
    port: int
    username: str
    password: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the URL of a proxy. Raises ValueError, without the text, which may contain a password."""
        if "://" not in text:
            text = f"http://{text}"
        try:
            parts = urlsplit(text)
            host = ascii_host(parts.hostname or "")
            port = parts.port
        except ValueError:
            # The message may contain a part of the password, such as after a "/" that is not escaped.
            raise ValueError("The proxy's URL is invalid") from None
        if parts.scheme not in _PORTS and parts.scheme not in _SOCKS:
            raise ValueError(
                "The proxy's URL does not begin with http://, https://, socks5:// or socks5h://"
            )
        return cls(
            scheme=parts.scheme,
            host=host,
            port=port or _PORTS.get(parts.scheme, _SOCKS_PORT),
            username=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS instead of HTTP."""
        return self.scheme in _SOCKS

    @property
    def authorization(self) -> str:
        """The value of the Proxy-Authorization header; "" without credentials."""
        return basic_authorization(self.username, self.password)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    __repr__ = __str__


class ProxyRules:
    """Selects the proxy of each request. The environment is read once, when this is created."""

    def __init__(self, configured: str | None = None):
        #: by scheme of the requested URL; values are URLs, parsed at their first use
        self._proxies: dict[str, str | None] = {}
        for scheme in ("http", "https"):
            self._proxies[scheme] = configured or _from_environment(scheme)
        self._exceptions = NoProxy(_variable("no_proxy") or "")

    def select(self, url: Url) -> Proxy | None:
        """Return the proxy for a request; None if it is sent directly. Raises ValueError if its URL is invalid."""
        text = self._proxies[url.scheme]
        if text is None or self._exceptions.matches(url.host, url.port):
            return None
        return _parse(text)


_parse = lru_cache(maxsize=16)(Proxy.parse)


def _from_environment(scheme: str) -> str | None:
    # A CGI script's HTTP_PROXY comes from the client's header `Proxy`.
    is_cgi = "REQUEST_METHOD" in os.environ
    if scheme == "http" and is_cgi:
        return os.environ.get("http_proxy") or _variable("all_proxy")
    return _variable(f"{scheme}_proxy") or _variable("all_proxy")


def _variable(name: str) -> str | None:
    return os.environ.get(name) or os.environ.get(name.upper()) or None


class NoProxy:
    """The hosts that are connected to without a proxy."""

    def __init__(self, text: str):
        items = [item for item in re.split(r"[\s,]+", text) if item]
        self._rules = [_Rule(item) for item in items]

    def matches(self, host: str, port: int) -> bool:
        """Whether `host` is connected to directly."""
        return any(rule.matches(host, port) for rule in self._rules)


# Host or address in brackets, and a port.
_WITH_PORT = re.compile(r"(\[[^\]]*\]|[^:]*):(\d+)")


class _Rule:
    """One item of `no_proxy`."""

    def __init__(self, text: str):
        self._port: int | None = None
        with_port = _WITH_PORT.fullmatch(text)
        if with_port:
            text = with_port[1]
            self._port = int(with_port[2])
        text = text.strip("[]").lower()
        self._is_everything = text == "*"
        self._network = _network(text)
        # `.example.com` and `*.example.com` mean the same as `example.com`.
        self._domain = text.removeprefix("*").strip(".")

    def matches(self, host: str, port: int) -> bool:
        if self._port is not None and self._port != port:
            return False
        if self._is_everything:
            return True
        address = _address(host)
        if address is not None:
            return self._network is not None and address in self._network
        if not self._domain:
            return False
        name = host.lower().rstrip(".")
        return name == self._domain or name.endswith("." + self._domain)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
