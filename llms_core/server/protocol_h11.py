"""uvicorn's h11 protocol for HTTP/1.1, for systems without httptools, with the limits of `server.protocol`."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from llms_core.dialects import openai_error
from llms_core.server.error_response import describe_http_error

HEAD_TIMEOUT = 30.0
"""Seconds that a connection has for its first request's head, and each further request for its own."""


class BoundedH11Protocol(H11Protocol):
    """Refuses a head of more than `max_head_bytes` with 431, and closes a connection whose head takes too long."""

    max_head_bytes = 64 * 1024

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._head_timer: asyncio.TimerHandle | None = self.loop.call_later(HEAD_TIMEOUT, self._close_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_reading_head():
            # h11's own limit only applies to a head that arrives in several pieces.
            received, _ = self.conn.trailing_data
            head, _, _ = (received + data).partition(b"\r\n\r\n")
            if len(head) > self.max_head_bytes:
                self._refuse(431, f"The request's headers exceed {self.max_head_bytes} bytes")
                return
        super().data_received(data)
        if not self._is_reading_head():
            self._stop_head_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT, self._close_late)

    def send_400_response(self, msg: str) -> None:
        """Answer an invalid request."""
        self._refuse(400, "Invalid HTTP request")

    def _is_reading_head(self) -> bool:
        # Not the same as having no response to send: the rest of a refused body may still arrive after the response.
        return self.conn.their_state is h11.IDLE

    def _refuse(self, status: int, message: str) -> None:
        """Answer with an error and close the connection."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            # A response has begun: an error written now would be read as part of it.
            self.transport.close()
            return
        body = openai_error.encode(describe_http_error(status, message))
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        response = h11.Response(status_code=status, headers=headers, reason=STATUS_PHRASES[status])
        for event in (response, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close_late(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()
