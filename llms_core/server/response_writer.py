"""Writes one response: its head, its body, and keep-alives while a stream pauses."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from enum import Enum, auto

from litestar.types import Send

from llms_core.deadline import shared_timer

#: A keep-alive is due after this share of the interval, so that rounding never skips one.
_KEEP_ALIVE_SHARE = 0.9


class ResponseState(Enum):
    """How much of a response has been sent."""

    NOT_STARTED = auto()
    #: Waiting for the next piece of the body.
    IDLE = auto()
    #: Waiting for the client to accept what is being sent.
    WRITING = auto()
    FINISHED = auto()


class ResponseWriter:
    """Writes to one client. During a stream, a pause of `keep_alive_interval` seconds is filled with the dialect's
    keep-alive. The writer must be closed.

    A client that reads nothing is a matter of its connection, which `server.connections` aborts.
    """

    def __init__(self, send: Send, keep_alive_interval: float) -> None:
        self.state = ResponseState.NOT_STARTED
        #: The HTTP status that was sent; 0 before the head.
        self.status = 0
        self.due = math.inf
        self._send = send
        self._keep_alive_interval = keep_alive_interval
        #: What fills a pause; empty for a response that is not a stream.
        self._keep_alive = b""
        self._loop = asyncio.get_running_loop()
        self._timers = shared_timer()
        self._last_write = 0.0
        self._keep_alive_task: asyncio.Task[None] | None = None

    async def start(
        self, status: int, headers: Iterable[tuple[bytes, bytes]], *, keep_alive: bytes = b""
    ) -> None:
        """Send the head. `keep_alive` is for streams."""
        # Sending the head can block if the client has not read an earlier response on this connection.
        self.state = ResponseState.WRITING
        self.status = status
        self._last_write = self._loop.time()
        if keep_alive:
            self._keep_alive = keep_alive
            self._timers.add(self)
            self._schedule()
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        self.state = ResponseState.IDLE

    async def write(self, data: bytes, *, last: bool = False) -> None:
        """Send a piece of the body; returns when the client's connection has accepted it."""
        self.state = ResponseState.WRITING
        self._last_write = self._loop.time()
        await self._send({"type": "http.response.body", "body": data, "more_body": not last})
        if last:
            self.state = ResponseState.FINISHED
        elif self.state is ResponseState.WRITING:
            # A keep-alive can complete after the end of the response, which stays FINISHED.
            self.state = ResponseState.IDLE

    def close(self) -> None:
        """Stop the timer and a keep-alive that is being written."""
        self._timers.discard(self)
        if self._keep_alive_task is not None:
            self._keep_alive_task.cancel()

    def on_timeout(self) -> None:
        """Fill a pause."""
        self._schedule()
        silence = self._loop.time() - self._last_write
        if (
            self.state is ResponseState.IDLE
            and silence >= self._keep_alive_interval * _KEEP_ALIVE_SHARE
        ):
            self._keep_alive_task = self._loop.create_task(self._write_keep_alive())

    def _schedule(self) -> None:
        self.due = self._loop.time() + self._keep_alive_interval
        if self.due < self._timers.next_check:
            self._timers.reschedule(self.due)

    async def _write_keep_alive(self) -> None:
        # The next chunk may have arrived since the task was created.
        if self.state is ResponseState.IDLE:
            await self.write(self._keep_alive)
