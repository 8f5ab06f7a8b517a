"""uvicorn's httptools protocol for HTTP/1.1, with limits on a request's head: its size, and the time it may take.

Neither uvicorn nor ASGI has such limits. This module uses private attributes of uvicorn's protocol;
tests/core/server/test_protocol.py fails if one of them changes.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from llms_core.dialects import openai_error
from llms_core.server.error_response import describe_http_error

HEAD_TIMEOUT = 30.0
"""Seconds that a connection has for its first request's head, and each further request for its own."""


class _HeadBuffer:
    """A transport that sends a response's head together with the first piece of its body.

    uvloop writes immediately, so that the head alone would be a system call and a packet of its own. The head waits for
    its body, but never longer than until the event loop's next iteration.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop):
        self._transport = transport
        self._call_soon = loop.call_soon
        self._head = b""
        # The methods that uvicorn calls most are bound here, which saves a call each.
        self.is_closing = transport.is_closing
        self.get_extra_info = transport.get_extra_info
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading

    def write(self, data: bytes) -> None:
        """Send data, or keep it if it is a head."""
        if self._head:
            data = self._head + data
            self._head = b""
        elif data.startswith(b"HTTP/1.1 "):
            self._head = data
            # If the body comes later, the head is not held back: clients show that an answer has begun.
            self._call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        """Send what is kept, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            data = self._head
            self._head = b""
            self._transport.write(data)


_CHUNKED = b"transfer-encoding: chunked\r\n"


class _CloseDelimited:
    """A transport for the answer to a client of HTTP/1.0, which knows no chunks: the body ends with the connection.

    uvicorn sends the body of an answer without a length in chunks, whichever version the client speaks. It writes whole
    chunks, one or none at a time, and perhaps the last one behind it.
    """

    def __init__(self, transport: asyncio.Transport):
        self._transport = transport
        self._has_head = False
        self._is_chunked = False
        self.close = transport.close
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Send a head without the announcement of chunks, or the content of a chunk."""
        if not self._has_head:
            self._has_head = True
            before, announced, after = data.partition(_CHUNKED)
            self._is_chunked = bool(announced)
            data = before + after
        elif self._is_chunked and data:
            size, _, content = data.partition(b"\r\n")
            data = content[: int(size, 16)]
        if data:
            self._transport.write(data)


class BoundedProtocol(HttpToolsProtocol):
    """Refuses a head of more than `max_head_bytes` with 431, and closes a connection whose head takes too long."""

    max_head_bytes = 64 * 1024

    def connection_made(self, transport: Any) -> None:
        super().connection_made(_HeadBuffer(transport, self.loop))  # type: ignore[arg-type]
        self._reading_head = True
        self._head_bytes = 0
        self._refused = False
        self._head_timer: asyncio.TimerHandle | None = self.loop.call_later(HEAD_TIMEOUT, self._close_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._unset_keepalive_if_required()
        self._received_bytes = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            # Java's HTTP client offers HTTP/2 with every request (`Upgrade: h2c`), and httptools does not parse the
            # body of such a request. A server may ignore the offer: the request is parsed again without it.
            self.data_received(self._without_upgrade() + data[offer.args[0] :])
            return
        except httptools.HttpParserError:
            self._refuse(400, b"Bad Request", "Invalid HTTP request")
        if self._reading_head:
            # The head arrives in several pieces, of which the parser shows nothing before it is complete.
            self._head_bytes += len(data)
            if self._head_bytes > self.max_head_bytes:
                self._refuse_large_head()
            elif self._head_timer is None:
                self._head_timer = self.loop.call_later(HEAD_TIMEOUT, self._close_late)

    def on_message_begin(self) -> None:
        self._reading_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._reading_head = False
        self._stop_head_timer()
        # An upper bound, because these bytes may include the body: the head is only measured if the bound is exceeded.
        may_be_too_large = self._head_bytes + self._received_bytes > self.max_head_bytes
        if may_be_too_large and self._size_of_head() > self.max_head_bytes:
            self._refuse_large_head()
        elif self.parser.get_method() == b"CONNECT":
            self._refuse(400, b"Bad Request", "This server is not a proxy")
        elif not self.parser.should_upgrade():
            super().on_headers_complete()
            if self.parser.get_http_version() == "1.0":
                self.cycle.transport = _CloseDelimited(self.transport)  # type: ignore[assignment]
                self.cycle.waiting_for_100_continue = False

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _size_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _without_upgrade(self) -> bytes:
        """The head that was parsed last, without the headers that offer another protocol."""
        lines = [b"%b %b HTTP/1.1" % (self.parser.get_method(), self.url)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] not in (b"connection", b"upgrade")]
        return b"\r\n".join([*lines, b"", b""])

    def _refuse_large_head(self) -> None:
        message = f"The request's headers exceed {self.max_head_bytes} bytes"
        self._refuse(431, b"Request Header Fields Too Large", message)

    def _refuse(self, status: int, phrase: bytes, message: str) -> None:
        """Answer with an error and close the connection."""
        if self._refused:
            return
        self._refused = True
        # Written directly: uvicorn can only answer a request whose head is complete.
        body = openai_error.encode(describe_http_error(status, message))
        head = b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (status, phrase, len(body)) + body)
        self.transport.close()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close_late(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()
