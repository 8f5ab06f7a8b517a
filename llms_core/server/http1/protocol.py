"""The server's side of HTTP/1.1: parses requests with httptools, and lets an ASGI application answer them.

uvicorn runs it in place of its own protocol, which has no limits on what it receives and on the time that takes, and
which needs more time for a request. `server.connections` closes connections that take too long.

This is on the path of every request and chunk. Change it only with a measurement.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, cast

import httptools
from uvicorn import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState

from llms_core.config.model import Server
from llms_core.server.connections import (
    TOO_MANY_CONNECTIONS,
    BufferedTransport,
    ConnectionTimes,
    admit,
    refusal,
)
from llms_core.server.http1.cycle import MAX_UNREAD, RequestCycle
from llms_core.server.http1.url import split_url

# Requests on one connection that wait for the answers to earlier ones.
_MAX_PIPELINED = 64

# For how many seconds and bytes a client may go on sending after its last response.
_LINGER = 2.0
_MAX_LINGERING_BYTES = 1024 * 1024

# Headers by which a client offers another protocol.
_OFFER = (b"upgrade", b"http2-settings")

# Longer URLs are not remembered: clients choose them.
_MAX_REMEMBERED_URL = 256


class Http1Protocol(asyncio.Protocol):
    """A client's connection.

    Refuses what exceeds a limit: 431 for a head or trailers, 503 for a connection too many.
    """

    #: bytes of a request's head, and of what else a request has beside its body, such as trailers
    max_head_bytes = Server().max_headers
    max_connections = Server().max_connections
    write_timeout = Server().write_timeout

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ):
        if not config.loaded:
            config.load()
        self.loop = _loop or asyncio.get_running_loop()
        self.server_state = server_state
        self.connections = server_state.connections
        #: the latest request
        self.cycle: RequestCycle | None = None
        self.writing_paused = False
        self._app = config.loaded_app
        self._app_state = app_state
        self._parser = _new_parser(self)
        self._reading_paused = False
        self._writable = asyncio.Event()
        self._writable.set()
        #: requests that are not answered; the first one is being answered
        self._unanswered: deque[RequestCycle] = deque()
        #: whether the application has been called for the first of them
        self._is_answering = False
        #: whether a message has begun that is not complete
        self._is_receiving = False
        #: whether its head arrives in several pieces
        self._is_split = False
        #: whether the latest piece has the end of a head, a part of a body, or the end of a message
        self._has_advanced = False
        #: bytes that have arrived since, in pieces without any of these
        self._pending_bytes = 0
        self._received_bytes = 0
        #: whether the head of the message that is being received is complete
        self._has_head = False
        self._is_offered_upgrade = False
        #: whether what else arrives is ignored
        self._refused = False
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._expects_continue = False

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called when a client has connected."""
        transport = cast(asyncio.Transport, transport)
        self.transport = BufferedTransport(transport, self.loop)
        self.times = ConnectionTimes(self.loop.time())
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": get_local_addr(transport),
            "client": get_remote_addr(transport),
            "scheme": "https" if is_ssl(transport) else "http",
            "root_path": "",
        }
        self.connections.add(self)  # type: ignore[arg-type]
        if not admit(self):
            self._refuse(503, TOO_MANY_CONNECTIONS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the connection is closed, by whatever side."""
        self.connections.discard(self)
        self._refused = True
        for cycle in self._unanswered:
            cycle.disconnect()
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Called with each piece of bytes that arrives."""
        if self._refused:
            self._pending_bytes += len(data)
            if self._pending_bytes > _MAX_LINGERING_BYTES:
                self.transport.abort()
            return
        self._received_bytes = len(data)
        self._has_advanced = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._decline_upgrades(data, offer)
        except httptools.HttpParserError:
            self._refuse(400, "Invalid HTTP request")
        if self._is_receiving:
            # A head, the size of a chunk and trailers may arrive in pieces, of which the parser shows nothing before
            # they are complete.
            self._is_split = True
            if self._has_advanced:
                self._pending_bytes = 0
            else:
                self._pending_bytes += len(data)
                if self._pending_bytes > self.max_head_bytes:
                    self._refuse_large_head()
        if self._unanswered and not self._is_answering:
            # The rest of its body will follow.
            self._answer_next()

    def eof_received(self) -> None:
        """Called when the client has sent everything. Returning None closes the connection."""

    def pause_writing(self) -> None:
        """Called when the client reads too slowly."""
        self.writing_paused = True
        self._writable.clear()

    def resume_writing(self) -> None:
        """Called when the client has read enough."""
        self.writing_paused = False
        self._writable.set()

    # Called by the parser, within `data_received`

    def on_message_begin(self) -> None:
        """Called at the first byte of a request."""
        self._is_receiving = True
        self._has_head = False
        self._is_split = False
        self._pending_bytes = 0
        self._url = b""
        self._headers = []
        self._expects_continue = False

    def on_url(self, url: bytes) -> None:
        """Called with each piece of a URL."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called with each field of a head or of trailers."""
        if self._has_head:
            # No application reads trailers.
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self._expects_continue = True
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Called at the end of a head."""
        self._has_advanced = True
        parser = self._parser
        method = parser.get_method()
        # Most heads arrive in a piece that is smaller than the limit, and need not be measured.
        may_be_too_large = self._is_split or self._received_bytes > self.max_head_bytes
        if may_be_too_large and self._size_of_head() > self.max_head_bytes:
            self._refuse_large_head()
        elif method == b"CONNECT":
            self._refuse(400, "This server is not a proxy")
        elif len(self._unanswered) > _MAX_PIPELINED:
            self._stop_receiving()
        if self._refused:
            # Ends parsing: the rest of the data is of no use.
            raise httptools.HttpParserError
        self._is_offered_upgrade = parser.should_upgrade()
        if not self._is_offered_upgrade:
            self._begin(method, parser.get_http_version(), keep_alive=parser.should_keep_alive())

    def on_body(self, body: bytes) -> None:
        """Called with each piece of a body."""
        self._has_advanced = True
        cycle = self.cycle
        # After its response the rest is not wanted any more.
        if cycle is not None and not cycle.response_complete:
            cycle.add(body)
            if cycle.unread > MAX_UNREAD:
                self._pause_reading()

    def on_message_complete(self) -> None:
        """Called at the end of a request."""
        self._is_receiving = False
        self._has_advanced = True
        self._has_head = False
        cycle = self.cycle
        if cycle is not None and not self._is_offered_upgrade:
            cycle.end()
            if self._unanswered and not self._is_answering:
                self._answer_next()

    # Requests

    def _begin(self, method: bytes, version: str, *, keep_alive: bool) -> None:
        """Add a request whose head is complete."""
        self._has_head = True
        url = self._url
        path, raw_path, query = (
            split_url(url) if len(url) <= _MAX_REMEMBERED_URL else split_url.__wrapped__(url)
        )
        scope = {
            **self._scope,
            "method": method.decode("ascii"),
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self._headers,
            "state": self._app_state.copy(),
        }
        expects_continue = self._expects_continue
        if version != "1.1":
            # HTTP/1.0 knows neither chunks nor 100 (Continue), and its connections are not kept.
            scope["http_version"] = version
            keep_alive = expects_continue = False
        cycle = RequestCycle(self, scope, keep_alive=keep_alive, expects_continue=expects_continue)
        self.cycle = cycle
        if self._unanswered:
            self._pause_reading()
        self._unanswered.append(cycle)

    def _answer_next(self) -> None:
        """Call the application for the first unanswered request."""
        self._is_answering = True
        tasks = self.server_state.tasks
        task = self.loop.create_task(self._unanswered[0].run(self._app))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def responded(self, cycle: RequestCycle) -> None:
        """The response to the first unanswered request is complete."""
        self.server_state.total_requests += 1
        self._unanswered.popleft()
        self._is_answering = False
        if not cycle.keep_alive:
            self.close()
        elif self._unanswered:
            self._answer_next()
        else:
            self.resume_reading()

    def shutdown(self) -> None:
        """Called when the server stops: close the connection once its requests are answered."""
        if self._unanswered:
            self._unanswered[-1].keep_alive = False
        else:
            self.close()

    # Reading and writing

    async def writable(self) -> None:
        """Wait until the client has read enough."""
        await self._writable.wait()

    def close(self) -> None:
        """Close the connection once everything has been sent."""
        may_send_more = self._is_receiving or self._refused
        self._refused = True
        if not may_send_more:
            self.transport.close()
            return
        # With bytes of the client that nobody has read, the connection would be reset, and the response with it be lost
        # (RFC 9112, 9.6). They are read, and dropped.
        self.transport.end()
        self._unanswered.clear()
        self.resume_reading()
        self.loop.call_later(_LINGER, self.transport.close)

    def resume_reading(self) -> None:
        """Let the client send again, unless earlier requests have to be answered first."""
        if self._reading_paused and len(self._unanswered) <= 1:
            self._reading_paused = False
            self.transport.resume_reading()

    def _pause_reading(self) -> None:
        if not self._reading_paused:
            self._reading_paused = True
            self.transport.pause_reading()

    # Refusals

    def _decline_upgrades(self, data: bytes, offer: httptools.HttpParserUpgrade) -> None:
        """Parse requests that offer another protocol as if they did not, which a server may.

        Java's HTTP client offers HTTP/2 with every request (`Upgrade: h2c`), and httptools does not parse the body of
        such a request.
        """
        view = memoryview(data)
        end = 0
        # Any number of such requests may have arrived together.
        while not self._refused:
            end += offer.args[0]
            head = self._without_upgrade()
            # Of a connection that is to be closed, the parser reads nothing after the offer.
            self._parser = _new_parser(self)
            try:
                self._parser.feed_data(head)
                self._parser.feed_data(view[end:])
                return
            except httptools.HttpParserUpgrade as next_offer:
                offer = next_offer
            except httptools.HttpParserError:
                self._refuse(400, "Invalid HTTP request")

    def _size_of_head(self) -> int:
        return len(self._url) + sum(len(name) + len(value) for name, value in self._headers)

    def _without_upgrade(self) -> bytes:
        """The head that was parsed last, without the headers that offer another protocol."""
        version = self._parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self._parser.get_method(), self._url, version)]
        for name, value in self._headers:
            if name == b"connection":
                options = [option.strip() for option in value.split(b",")]
                value = b", ".join(option for option in options if option.lower() not in _OFFER)
            if name not in _OFFER:
                lines.append(b"%b: %b" % (name, value))
        return b"\r\n".join([*lines, b"", b""])

    def _refuse_large_head(self) -> None:
        self._refuse(431, f"The request's headers exceed {self.max_head_bytes} bytes")

    def _refuse(self, status: int, message: str) -> None:
        """Answer with an error and close the connection."""
        if self._refused:
            return
        if self._unanswered and (
            self._unanswered[0].response_started or not self._unanswered[0].more_body
        ):
            # The error would be taken for the answer, or for a part of the answer, to an earlier request.
            self._stop_receiving()
            return
        for cycle in self._unanswered:
            cycle.disconnect()
        self.transport.write(refusal(status, message))
        self.close()

    def _stop_receiving(self) -> None:
        """Ignore what else arrives, and close the connection once all earlier requests are answered."""
        self._refused = True
        self._unanswered[-1].keep_alive = False


def _new_parser(protocol: Http1Protocol) -> httptools.HttpRequestParser:
    parser = httptools.HttpRequestParser(protocol)
    # Without this, a request after one with `Connection: close` would be an error.
    if hasattr(parser, "set_dangerous_leniencies"):
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser
