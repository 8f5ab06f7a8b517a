"""Asks an HTTP proxy for a tunnel to a server (CONNECT)."""

from __future__ import annotations

import asyncio
import re
from typing import cast

from llms_core.secret import redact
from llms_core.upstream.proxy import Proxy
from llms_core.upstream.url import Url

# Bytes of the head of the proxy's response.
_MAX_HEAD = 64 * 1024

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})(?: ([^\r\n]*))?\r?\n")

_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_MAX_END = 4


class Tunnel(asyncio.Protocol):
    """The connection to the proxy until the tunnel is open; then TLS and the connection to the server take over."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._answered: asyncio.Future[None] = loop.create_future()

    async def open(self, url: Url, proxy: Proxy) -> None:
        """Open a tunnel to the server of `url`. Raises OSError if the proxy refuses."""
        host = f"[{url.host}]" if ":" in url.host else url.host
        lines = [f"CONNECT {host}:{url.port} HTTP/1.1", f"host: {host}:{url.port}"]
        if proxy.authorization:
            lines.append(f"proxy-authorization: {proxy.authorization}")
        head = "\r\n".join([*lines, "", ""])
        if self._transport is not None:
            self._transport.write(head.encode("latin-1"))
        await self._answered
        status_line = _STATUS_LINE.match(self._received)
        if status_line is None:
            raise OSError(f"the proxy {proxy} does not speak HTTP/1.1")
        if not status_line[1].startswith(b"2"):
            answer = b" ".join(part for part in status_line.groups() if part).decode("latin-1")
            raise OSError(
                f"the proxy {proxy} refused to connect to {host}: {redact.truncated(answer, 100)}"
            )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called when the proxy is connected."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Called with each piece of bytes that arrives."""
        # The end may have begun in the piece before.
        start = max(0, len(self._received) - _MAX_END)
        self._received += data
        if _END_OF_HEAD.search(self._received, start):
            self._finish(None)
        elif len(self._received) > _MAX_HEAD:
            self._finish(OSError(f"the head of the proxy's response exceeds {_MAX_HEAD} bytes"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the proxy is disconnected."""
        self._finish(OSError(f"the proxy closed the connection: {exc or 'without an answer'}"))

    def _finish(self, error: OSError | None) -> None:
        if self._answered.done():
            return
        if error is None:
            self._answered.set_result(None)
        else:
            self._answered.set_exception(error)
            # If the request was cancelled before `open`, nothing waits for it, and asyncio would log it as an error.
            self._answered.exception()
