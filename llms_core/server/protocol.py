"""uvicorn's HTTP/1.1 protocol with bounds on the request's head: its size, and the time that it may take.

Java's client offers HTTP/2 with every request (`Upgrade: h2c`), and httptools takes what comes with an offer for no
body. An offer is passed over, as a server may: its request is parsed again without it.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from llms_core.dialects import openai_error
from llms_core.server.error_response import describe_http_error

SLOWEST_HEAD = 30.0
"""Seconds that a connection has for its first request's head, and each further request for its own."""


class _HeadFirst:
    """A transport that sends an answer's head together with the first piece of its body.

    uvloop writes at once: the head alone would be a system call and a packet of its own. It waits for its body, though
    never longer than until the event loop comes round.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop):
        self._transport, self._soon = transport, loop.call_soon
        self._head = b""
        self.is_closing, self.get_extra_info = transport.is_closing, transport.get_extra_info
        self.pause_reading, self.resume_reading = transport.pause_reading, transport.resume_reading

    def write(self, data: bytes) -> None:
        """Send, or keep what is a head."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(b"HTTP/1.1 "):
            self._head = data
            self._soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        """Send what is kept, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            data, self._head = self._head, b""
            self._transport.write(data)


class BoundedProtocol(HttpToolsProtocol):
    """Refuses a head over `largest_head` bytes with 431, and closes a connection whose head does not come."""

    largest_head = 64 * 1024

    def connection_made(self, transport: Any) -> None:
        super().connection_made(_HeadFirst(transport, self.loop))  # type: ignore[arg-type]
        self._heading, self._head, self._refused = True, 0, False
        self._late: asyncio.TimerHandle | None = self.loop.call_later(SLOWEST_HEAD, self._close_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._unset_keepalive_if_required()
        self._arriving = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self.data_received(self._without_offer() + data[offer.args[0] :])
            return
        except httptools.HttpParserError:
            self._refuse(400, b"Bad Request", "Invalid HTTP request")
        if self._heading:  # a head in more than one piece: what the parser holds of it is not seen otherwise
            self._head += len(data)
            if self._head > self.largest_head:
                self._too_large()
            elif self._late is None:
                self._late = self.loop.call_later(SLOWEST_HEAD, self._close_late)

    def on_message_begin(self) -> None:
        self._heading, self._head = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._heading = False
        self._in_time()
        if self._head + self._arriving > self.largest_head and self._head_size() > self.largest_head:
            self._too_large()
        elif self.parser.get_method() == b"CONNECT":
            self._refuse(400, b"Bad Request", "This is no proxy")
        elif not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _without_offer(self) -> bytes:
        """The head that was parsed last, without what offers another protocol."""
        lines = [b"%b %b HTTP/1.1" % (self.parser.get_method(), self.url)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] not in (b"connection", b"upgrade")]
        return b"\r\n".join([*lines, b"", b""])

    def _too_large(self) -> None:
        message = f"The request's headers have over {self.largest_head} bytes"
        self._refuse(431, b"Request Header Fields Too Large", message)

    def _refuse(self, status: int, phrase: bytes, message: str) -> None:
        if self._refused:
            return
        self._refused = True
        body = openai_error.encode(describe_http_error(status, message))
        head = b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (status, phrase, len(body)) + body)
        self.transport.close()

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _close_late(self) -> None:
        self._late = None
        if not self.transport.is_closing():
            self.transport.close()
