"""Encodes the head of a request."""

from __future__ import annotations

import re

from llms_core.provider import UpstreamRequest
from llms_core.upstream.compression import ACCEPT_ENCODING
from llms_core.upstream.proxy import Proxy
from llms_core.upstream.url import Url

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# The core alone decides how the body is framed and whether the connection is kept.
_OWN_FIELDS = frozenset({"connection", "content-length", "transfer-encoding"})

# Requests without a body, by which it is announced all the same: servers reject a POST without a length.
_METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})

# Names that have been checked. Providers use few different ones.
_checked: set[str] = set()
_MAX_CHECKED = 1000


def encode_head(
    request: UpstreamRequest, url: Url, proxy: Proxy | None = None, *, keep_alive: bool = True
) -> bytes:
    """Encode request line and header fields. Raises ValueError if they are invalid.

    `proxy` is the HTTP proxy that the request itself is sent to; None if it is sent to the server.
    """
    headers = request.headers
    if not headers.keys() <= _checked:
        _check_names(headers)
    target = url.target if proxy is None else url.absolute
    lines = [f"{request.method} {target} HTTP/1.1"]
    if "host" not in headers:
        lines.append(f"host: {url.authority}")
    for name, value in headers.items():
        if name not in _OWN_FIELDS:
            lines.append(f"{name}: {value}")
    if "accept-encoding" not in headers:
        lines.append(f"accept-encoding: {ACCEPT_ENCODING}")
    if url.authorization and "authorization" not in headers:
        lines.append(f"authorization: {url.authorization}")
    if proxy is not None and proxy.authorization:
        lines.append(f"proxy-authorization: {proxy.authorization}")
    if not keep_alive:
        lines.append("connection: close")
    if framing := _framing(request):
        lines.append(framing)
    head = "\r\n".join(lines) + "\r\n\r\n"
    line_ends = len(lines) + 1
    # A value with a line end would add fields, or a whole request.
    if head.count("\n") != line_ends or head.count("\r") != line_ends or "\0" in head:
        raise ValueError("A header value contains a line end or NUL")
    return head.encode("latin-1")


def _framing(request: UpstreamRequest) -> str:
    """The field that says where the body ends; empty if there is no body."""
    upload = request.upload
    if upload is None:
        if request.content or request.method in _METHODS_WITH_BODY:
            return f"content-length: {len(request.content)}"
        return ""
    if upload.length is None:
        return "transfer-encoding: chunked"
    return f"content-length: {upload.length}"


def _check_names(headers: dict[str, str]) -> None:
    for name in headers:
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"The header name {name[:50]!r} is invalid")
    if len(_checked) < _MAX_CHECKED:
        _checked.update(headers)
