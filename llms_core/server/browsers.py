"""Which requests of web pages are served: without keys, any page that a user visits could otherwise spend their money.

A page of another site shows in `Origin` and `Sec-Fetch-Site` (https://www.w3.org/TR/fetch-metadata/). One that made its
own name resolve to this machine (DNS rebinding) shows in `Host`. `[server] origins` admits pages, which then get the
headers of CORS (https://fetch.spec.whatwg.org/#http-cors-protocol).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from litestar.types import ASGIApp

from llms_core.dialects import Dialect
from llms_core.errors import RequestError
from llms_core.server.client_dialect import dialect_of_path
from llms_core.server.error_response import describe, encode, retry_headers
from llms_core.server.gateway import Gateway
from llms_core.server.query_key import move_key
from llms_core.server.request_headers import HEADERS

HeaderList = list[tuple[bytes, bytes]]

#: The headers of ours that a page may read, besides those that it always may.
_EXPOSED = (
    b"x-request-id, x-llms-provider, x-llms-upstream-model, x-llms-attempts, x-llms-overhead-ms, "
    b"x-llms-dropped-params, x-llms-token-count, x-should-retry, retry-after, request-id"
)
_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
#: Seconds for which a browser may remember what a preflight allowed; Chrome's own maximum.
_MAX_AGE = b"7200"
#: `localhost:8000`, `127.0.0.1` or `[::1]:8000`: group 1 is the name.
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::\d{0,5})?", re.IGNORECASE)
#: Of the values of `Host` that are remembered.
_MAX_ACCEPTED = 64
_MAX_HOST_BYTES = 300


class BrowserGuard:
    """An ASGI application that refuses the requests of web pages which may not use the server."""

    def __init__(self, app: ASGIApp, gateway: Gateway, *, is_loopback: bool):
        """`is_loopback`: only this machine can reach the server."""
        self.app = app
        self.gateway = gateway
        self._is_loopback = is_loopback
        server = gateway.server
        self._hosts = frozenset(server.hosts)
        #: Values of `Host` that have been accepted: almost every request has the same one.
        self._accepted: set[bytes] = set()
        self._origins = frozenset(origin.encode() for origin in server.origins)
        self._admits_all = b"*" in self._origins
        #: What a cache must know before it gives a response to another page.
        self._vary: HeaderList = (
            [(b"vary", b"Origin")] if self._origins and not self._admits_all else []
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            if scope["query_string"]:
                move_key(scope, self.gateway.dialects)
            headers = scope[HEADERS] = dict(scope["headers"])
            is_usual = (
                headers.get(b"host") in self._accepted
                and b"origin" not in headers
                and b"sec-fetch-site" not in headers
                # A name that occurs twice is one entry of `headers`.
                and len(headers) == len(scope["headers"])
            )
            if not is_usual or self._vary:
                await self._serve(scope, headers, receive, send)
                return
        await self.app(scope, receive, send)

    async def _serve(
        self, scope: Any, headers: Mapping[bytes, bytes], receive: Any, send: Any
    ) -> None:
        """Serve a request that may come from a browser, or that has to be looked at for another reason."""
        try:
            added = self._check(scope, headers)
        except RequestError as error:
            await _refuse(error, dialect_of_path(scope["path"], self.gateway.dialects), send)
            return
        if added:
            send = _with_headers(send, added)
            if _is_preflight(scope, headers) and self._admits(headers):
                await _answer_preflight(headers, send)
                return
        await self.app(scope, receive, send)

    def _check(self, scope: Any, headers: Mapping[bytes, bytes]) -> HeaderList:
        """Return the headers to add to the response.

        Raises RequestError: 400 without exactly one `Host`, 403 for a page that may not use the server.
        """
        _require_one_host(scope)
        is_admitted = b"origin" in headers and self._admits(headers)
        # `/health` shows nothing, and what watches the process may know it by any name.
        if scope["path"] != "/health":
            self._check_host(headers.get(b"host"))
            if self.gateway.is_open and not is_admitted:
                self._refuse_other_sites(scope, headers)
        if is_admitted:
            return self._cors(headers)
        return self._vary

    def _check_host(self, host: bytes | None) -> None:
        """Raise RequestError if another name was made to resolve to this machine."""
        # Browsers always send `Host`; see `_require_one_host` for who need not.
        if host is None:
            return
        if self._is_loopback and self.gateway.is_open and not self._knows(host):
            raise _unknown_host(host)
        if len(self._accepted) < _MAX_ACCEPTED and len(host) <= _MAX_HOST_BYTES:
            self._accepted.add(host)

    def _admits(self, headers: Mapping[bytes, bytes]) -> bool:
        return self._admits_all or headers.get(b"origin") in self._origins

    def _cors(self, headers: Mapping[bytes, bytes]) -> HeaderList:
        """The headers with which a page may read the response."""
        origin = b"*" if self._admits_all else headers[b"origin"]
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _EXPOSED),
            *self._vary,
        ]

    def _knows(self, host: bytes) -> bool:
        name = _name_of(host)
        return name in self._hosts or is_loopback(name)

    def _refuse_other_sites(self, scope: Any, headers: Mapping[bytes, bytes]) -> None:
        """Raise RequestError if a page of another site sent the request."""
        origin = headers.get(b"origin")
        if origin is not None and not self._is_own(origin, headers.get(b"host", b"")):
            raise _other_site(origin)
        if headers.get(b"sec-fetch-site") == b"cross-site" and not _is_navigation(scope, headers):
            raise _other_site(origin)

    def _is_own(self, origin: bytes, host: bytes) -> bool:
        """Whether a page was loaded from this server, under a name that nobody else controls."""
        if origin not in (b"http://" + host, b"https://" + host):
            return False
        return self._knows(host) or _is_address(host)


def is_loopback(name: str) -> bool:
    """Whether a host's name or address is always this machine."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


async def _refuse(error: RequestError, dialect: Dialect | None, send: Any) -> None:
    response = describe(error)
    body = encode(response, dialect)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    headers += [(name.encode(), value.encode()) for name, value in retry_headers(response).items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _with_headers(send: Any, added: HeaderList) -> Any:
    """Return `send`, but with further headers in the head of the response, whoever sends it."""

    async def send_with_headers(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await send(message)

    return send_with_headers


def _is_preflight(scope: Any, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a browser asks if a page may send a request."""
    return scope["method"] == "OPTIONS" and b"access-control-request-method" in headers


async def _answer_preflight(headers: Mapping[bytes, bytes], send: Any) -> None:
    """Allow a page to send what it asks for; its origin has been checked."""
    allowed = [
        (b"access-control-allow-methods", _METHODS),
        # A wildcard would not include `Authorization`.
        (b"access-control-allow-headers", headers.get(b"access-control-request-headers", b"*")),
        (b"access-control-max-age", _MAX_AGE),
    ]
    if headers.get(b"access-control-request-private-network") == b"true":
        allowed.append((b"access-control-allow-private-network", b"true"))
    await send({"type": "http.response.start", "status": 204, "headers": allowed})
    await send({"type": "http.response.body", "body": b""})


def _is_address(host: bytes) -> bool:
    """Whether `Host` is an address: a page can make any name of its own resolve to this machine, but not an address."""
    try:
        ipaddress.ip_address(_name_of(host))
    except ValueError:
        return False
    return True


def _name_of(host: bytes) -> str:
    """The name in `Host`, without the port; empty if it is malformed."""
    found = _HOST.fullmatch(host.decode("latin-1"))
    if found:
        return found[1].strip("[]").rstrip(".").lower()
    return ""


def _is_navigation(scope: Any, headers: Mapping[bytes, bytes]) -> bool:
    """Whether the user followed a link to this server: the other page gets to see nothing of the answer."""
    is_read = scope["method"] in ("GET", "HEAD")
    return (
        is_read
        and headers.get(b"sec-fetch-mode") == b"navigate"
        and headers.get(b"sec-fetch-dest") == b"document"
    )


def _require_one_host(scope: Any) -> None:
    """Raise RequestError unless there is exactly one `Host`, which only HTTP/1.0 may leave out (RFC 9112, 3.2)."""
    count = sum(name == b"host" for name, _ in scope["headers"])
    if count > 1 or (count == 0 and scope["http_version"] != "1.0"):
        raise RequestError(
            f"A request needs exactly one Host header; this one has {count}", code="invalid_host"
        )


def _unknown_host(host: bytes) -> RequestError:
    message = (
        f"{_shown(host)} is not a name of this server. If it should be, add the name to `[server] hosts` in "
        "plugins.toml, or configure keys"
    )
    return RequestError(message, status=403, type="permission_error", code="host_not_allowed")


def _other_site(origin: bytes | None) -> RequestError:
    page = "other sites" if origin is None else _shown(origin)
    message = (
        f"Web pages of {page} may not use this server. If they should, add their origin to `[server] origins` in "
        "plugins.toml; for a page of this server, add its name to `[server] hosts`"
    )
    return RequestError(message, status=403, type="permission_error", code="origin_not_allowed")


def _shown(value: bytes) -> str:
    return repr(value[:100].decode("latin-1"))
