"""One request and its response: `receive` and `send` of an ASGI application.

This is on the path of every request and chunk. Change it only with a measurement.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Protocol

from llms_core.server.connections import BufferedTransport, refusal

log = logging.getLogger(__name__)

#: Bytes of a request's body that have not been read at which the client is made to wait.
MAX_UNREAD = 64 * 1024

# Fields by which an application says how its response is framed. Most names are skipped by their length.
_FRAMING = frozenset({b"connection", b"content-length", b"transfer-encoding"})
_FRAMING_LENGTHS = frozenset(map(len, _FRAMING))

BREAKS_OFF = "llms_core.breaks_off"
"""The member of an ASGI scope by which an application says that its response ends in the middle: its source broke."""

_STATUSES_WITHOUT_BODY = frozenset({204, 304})

_DISCONNECT: Mapping[str, Any] = {"type": "http.disconnect"}

_FAILED = "The gateway failed; its log has the details"


def _status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}".encode()


_STATUS_LINES = {status: _status_line(status) for status in range(200, 600)}


class Connection(Protocol):
    """The connection that a request arrived on."""

    transport: BufferedTransport
    writing_paused: bool

    async def writable(self) -> None:
        """Wait until the client has read enough."""

    def resume_reading(self) -> None:
        """Let the client send again."""

    def responded(self, cycle: RequestCycle, /) -> None:
        """The response is complete."""

    def close(self) -> None:
        """Close the connection once everything has been sent."""


class RequestCycle:
    """A request that is being answered. `keep_alive` is whether the client wants to keep the connection."""

    __slots__ = (
        "_changed",
        "_connection",
        "_delivered",
        "_expects_continue",
        "_has_body",
        "_is_chunked",
        "_pieces",
        "_remaining",
        "_write",
        "_write_body",
        "disconnected",
        "keep_alive",
        "more_body",
        "response_complete",
        "response_started",
        "scope",
        "unread",
    )

    def __init__(
        self,
        connection: Connection,
        scope: dict[str, Any],
        *,
        keep_alive: bool,
        expects_continue: bool,
    ):
        self.scope = scope
        self.keep_alive = keep_alive
        self.response_started = False
        self.response_complete = False
        #: whether the client has closed the connection
        self.disconnected = False
        #: whether the request's body is incomplete
        self.more_body = True
        #: bytes of the request's body that have arrived and not been read
        self.unread = 0
        self._connection = connection
        self._write = connection.transport.write
        self._write_body = connection.transport.write_body
        self._expects_continue = expects_continue
        self._pieces: list[bytes] = []
        #: whether the application has the end of the request's body
        self._delivered = False
        #: set when something arrives; created by the first `receive` that has to wait
        self._changed: asyncio.Event | None = None
        self._has_body = True
        self._is_chunked = False
        #: bytes that the response's Content-Length announces and that have not been sent
        self._remaining: int | None = None

    async def run(self, app: Callable[..., Awaitable[None]]) -> None:
        """Let the application answer."""
        batch = self._connection.transport.batch
        batch.requests += 1
        try:
            await app(self.scope, self.receive, self.send)
        except asyncio.CancelledError:
            # The time for draining is over.
            self._abandon()
        except Exception:
            log.exception("The application failed")
            self._abandon()
        else:
            if not self.response_complete and not self.disconnected:
                if not self.scope.get(BREAKS_OFF):
                    log.error("The application ended without a complete response")
                self._abandon()
        finally:
            batch.requests -= 1

    def _abandon(self) -> None:
        """End a response that will not be completed; the client must not take it for a complete one."""
        if self.disconnected or self.response_complete:
            return
        if not self.response_started:
            self._write(refusal(500, _FAILED))
        self.response_complete = True
        if (
            self.response_started
            and self._has_body
            and not self._is_chunked
            and self._remaining is None
        ):
            # The end of the connection would be the regular end of the body.
            self._connection.transport.abort()
        else:
            self._connection.close()

    # The request

    def add(self, body: bytes) -> None:
        """Keep a piece of the request's body."""
        self._pieces.append(body)
        self.unread += len(body)
        self.wake()

    def end(self) -> None:
        """The request's body is complete."""
        self.more_body = False
        self.wake()

    def disconnect(self) -> None:
        """The client has closed the connection."""
        self.disconnected = True
        self.wake()

    def wake(self) -> None:
        """Let `receive` look at what has changed."""
        if self._changed is not None:
            self._changed.set()

    async def receive(self) -> Mapping[str, Any]:
        """Return what has arrived of the body, or that the client has disconnected or been answered."""
        if self._expects_continue and not self.response_started:
            self._expects_continue = False
            if not self.disconnected:
                self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not (self.disconnected or self.response_complete):
            if not self._delivered and (self._pieces or not self.more_body):
                pieces = self._pieces
                body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
                self._pieces = []
                self.unread = 0
                self._delivered = not self.more_body
                self._connection.resume_reading()
                return {"type": "http.request", "body": body, "more_body": self.more_body}
            if self._changed is None:
                self._changed = asyncio.Event()
            self._changed.clear()
            await self._changed.wait()
        return _DISCONNECT

    # The response

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send a head or a piece of a body. Returns when the client has read enough of what was sent before."""
        connection = self._connection
        if connection.writing_paused and not self.disconnected:
            await connection.writable()
        if self.disconnected:
            return
        kind = message["type"]
        if kind == "http.response.body":
            self._send_body(message.get("body", b""), last=not message.get("more_body"))
        elif kind == "http.response.start":
            self._send_head(message["status"], message.get("headers", ()))
        else:
            raise RuntimeError(f"This server does not know the message '{kind}'")

    def _send_head(self, status: int, headers: Any) -> None:
        if self.response_started:
            raise RuntimeError("The response has already begun")
        lines = [_STATUS_LINES[status]]
        for name, value in headers:
            if len(name) in _FRAMING_LENGTHS and (lower := name.lower()) in _FRAMING:
                if lower == b"content-length":
                    self._remaining = int(value)
                else:
                    # How the body is framed is decided here; an application may only ask for the end.
                    if lower == b"connection" and b"close" in value.lower():
                        self.keep_alive = False
                    continue
            lines.append(name + b": " + value)
        scope = self.scope
        self._has_body = scope["method"] != "HEAD" and status not in _STATUSES_WITHOUT_BODY
        # For HTTP/1.0, the end of the connection is the end of the body.
        if self._has_body and self._remaining is None and scope["http_version"] != "1.0":
            self._is_chunked = True
            lines.append(b"transfer-encoding: chunked")
        if self._expects_continue:
            # Nobody knows whether the client will still send the body.
            self.keep_alive = False
        if not self.keep_alive:
            lines.append(b"connection: close")
        head = b"\r\n".join(lines) + b"\r\n\r\n"
        line_ends = len(lines) + 1
        # A value with a line end would add fields, or a whole response.
        if head.count(b"\n") != line_ends or head.count(b"\r") != line_ends or b"\0" in head:
            raise RuntimeError("A header of the response contains a line end or NUL")
        self.response_started = True
        self._write(head)

    def _send_body(self, body: bytes, *, last: bool) -> None:
        if not self.response_started or self.response_complete:
            raise RuntimeError("The body of a response belongs between its head and its end")
        if self._is_chunked:
            if body:
                self._write_body(
                    b"%x\r\n%b\r\n%b" % (len(body), body, b"0\r\n\r\n" if last else b"")
                )
            elif last:
                self._write_body(b"0\r\n\r\n")
        elif self._has_body:
            if self._remaining is not None:
                self._remaining -= len(body)
                if self._remaining < 0 or (last and self._remaining):
                    raise RuntimeError(
                        "The response's body does not have the length that its head announces"
                    )
            if body:
                self._write_body(body)
        if last:
            self.response_complete = True
            self.wake()
            self._connection.responded(self)
