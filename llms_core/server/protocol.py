"""uvicorn's httptools protocol for HTTP/1.1, with limits on what it receives and how long a connection may take.

Neither uvicorn nor ASGI has such limits. This module uses private attributes of uvicorn's protocol;
tests/core/server/test_protocol.py fails if one of them changes.
"""

from __future__ import annotations

from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from llms_core.config.model import Server
from llms_core.server.connections import TOO_MANY_CONNECTIONS, BufferedTransport, ConnectionTimes, admit, refusal

# Requests on one connection that wait for the answers to earlier ones.
_MAX_PIPELINED = 64

# Headers by which a client offers another protocol.
_OFFER = (b"upgrade", b"http2-settings")


class _Trailers(list[tuple[bytes, bytes]]):
    """Takes the place of a request's headers once they are complete. No application reads trailers."""

    def append(self, trailer: tuple[bytes, bytes]) -> None:
        """Forget it."""


_TRAILERS = _Trailers()


class BoundedProtocol(HttpToolsProtocol):
    """Refuses what exceeds a limit: 431 for a head or trailers, 503 for a connection too many.

    `server.connections` closes connections that take too long.
    """

    #: bytes of a request's head, and of what else a request has beside its body, such as trailers
    max_head_bytes = Server().max_headers
    max_connections = Server().max_connections
    write_timeout = Server().write_timeout

    def connection_made(self, transport: Any) -> None:
        super().connection_made(BufferedTransport(transport, self.loop))  # type: ignore[arg-type]
        self.times = ConnectionTimes(self.loop.time())
        #: Whether a message has begun that is not complete.
        self._is_receiving = False
        #: Whether its head arrives in several pieces.
        self._is_split = False
        #: Whether the latest piece has the end of a head, a part of a body, or the end of a message.
        self._has_advanced = False
        #: Bytes that have arrived since, in pieces without any of these.
        self._pending_bytes = 0
        self._is_offered_upgrade = False
        #: Whether what else arrives is ignored.
        self._refused = False
        if not admit(self):
            self._refuse(503, TOO_MANY_CONNECTIONS)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._unset_keepalive_if_required()
        self._received_bytes = len(data)
        self._has_advanced = False
        try:
            self.parser.feed_data(data)
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

    def on_message_begin(self) -> None:
        self._is_receiving = True
        self._is_split = False
        self._pending_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._has_advanced = True
        # Most heads arrive in a piece that is smaller than the limit, and need not be measured.
        may_be_too_large = self._is_split or self._received_bytes > self.max_head_bytes
        if may_be_too_large and self._size_of_head() > self.max_head_bytes:
            self._refuse_large_head()
        elif self.parser.get_method() == b"CONNECT":
            self._refuse(400, "This server is not a proxy")
        elif len(self.pipeline) >= _MAX_PIPELINED:
            self._stop_receiving()
        if self._refused:
            # Ends parsing: the rest of the data is of no use.
            raise httptools.HttpParserError
        self._is_offered_upgrade = self.parser.should_upgrade()
        if not self._is_offered_upgrade:
            super().on_headers_complete()
            self.headers = _TRAILERS

    def on_body(self, body: bytes) -> None:
        self._has_advanced = True
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        self._is_receiving = False
        self._has_advanced = True
        if self._is_offered_upgrade:
            return
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()

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
            self.parser = _new_parser(self)
            try:
                self.parser.feed_data(head)
                self.parser.feed_data(view[end:])
                return
            except httptools.HttpParserUpgrade as next_offer:
                offer = next_offer
            except httptools.HttpParserError:
                self._refuse(400, "Invalid HTTP request")

    def _size_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _without_upgrade(self) -> bytes:
        """The head that was parsed last, without the headers that offer another protocol."""
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        for name, value in self.headers:
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
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and (cycle.response_started or not cycle.more_body):
            # The error would be taken for the answer, or for a part of the answer, to an earlier request.
            self._stop_receiving()
            return
        self._refused = True
        self.transport.write(refusal(status, message))
        self.transport.close()

    def _stop_receiving(self) -> None:
        """Ignore what else arrives, and close the connection once all earlier requests are answered."""
        self._refused = True
        self.cycle.keep_alive = False


def _new_parser(protocol: BoundedProtocol) -> httptools.HttpRequestParser:
    """A parser as uvicorn creates it."""
    parser = httptools.HttpRequestParser(protocol)
    # Without this, a request after one with `Connection: close` would be an error.
    if hasattr(parser, "set_dangerous_leniencies"):
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser
