"""uvicorn's h11 protocol for HTTP/1.1, for systems without httptools, with the limits of `server.http1`."""

from __future__ import annotations

from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from llms_core.config.model import Server
from llms_core.server.connections import (
    TOO_MANY_CONNECTIONS,
    BufferedTransport,
    ConnectionTimes,
    admit,
    refusal,
)


class BoundedH11Protocol(H11Protocol):
    """Refuses what exceeds a limit: 431 for a head, 503 for a connection too many.

    h11 itself limits trailers. `server.connections` closes connections that take too long.
    """

    max_head_bytes = Server().max_headers
    max_connections = Server().max_connections
    write_timeout = Server().write_timeout

    def connection_made(self, transport: Any) -> None:
        super().connection_made(BufferedTransport(transport, self.loop))  # type: ignore[arg-type]
        self.times = ConnectionTimes(self.loop.time())
        #: Whether what else arrives is ignored.
        self._refused = False
        if not admit(self):
            self._refuse(503, TOO_MANY_CONNECTIONS)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._is_reading_head():
            # h11's own limit only applies to a head that arrives in several pieces.
            received, _ = self.conn.trailing_data
            head, _, _ = (received + data).partition(b"\r\n\r\n")
            if len(head) > self.max_head_bytes:
                self._refuse(431, f"The request's headers exceed {self.max_head_bytes} bytes")
                return
        super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """Answer an invalid request."""
        self._refuse(400, "Invalid HTTP request")

    def _should_upgrade(self) -> bool:
        # Any offer of another protocol is declined, and not worth a warning.
        return False

    def _is_reading_head(self) -> bool:
        # Not the same as having no response to send: the rest of a refused body may still arrive after the response.
        return self.conn.their_state is h11.IDLE

    def _refuse(self, status: int, message: str) -> None:
        """Answer with an error and close the connection."""
        self._refused = True
        # If a response has begun, an error written now would be read as part of it.
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.write(refusal(status, message))
        self.transport.close()
