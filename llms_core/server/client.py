"""The client's side of one request: its body in, the answer out, and whether it is still there."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from litestar.types import Receive, Scope, Send

from llms_core.deadline import ticker
from llms_core.dialects.sse import KEEP_ALIVE
from llms_core.errors import RequestError

Headers = Iterable[tuple[bytes, bytes]]

_SOON = 0.1  # seconds until a client is watched: a task of its own costs more than the rest of a short request


class ClientGoneError(Exception):
    """The client went away before its request was read."""


class Client:
    """Reads the request, sends the answer, and cancels the request's task once the client has gone.

    As a context: inside it a client that goes away, or takes nothing for `write_timeout` seconds, cancels the task, and
    leaving swallows that cancellation (`gone` is set). Once a stream has begun, a pause of `keep_alive` seconds is
    filled with a comment. What is answered at once is over before the watch begins.
    """

    def __init__(self, receive: Receive, send: Send, keep_alive: float, write_timeout: float):
        self._receive, self._send = receive, send
        self._keep_alive, self._write_timeout = keep_alive, write_timeout
        self._loop = asyncio.get_running_loop()
        self._sent = 0.0
        self._watcher: asyncio.Task[None] | None = None
        self._comment: asyncio.Task[None] | None = None
        self.due = math.inf
        self._streaming = self._writing = self._done = self._reading = self._late = False
        self.begun = self.gone = False
        self.status = 0

    async def read(self, scope: Scope, largest: int, patience: float) -> bytes:
        """The request's body.

        Raises RequestError: 413 where it has over `largest` bytes, 408 where it takes over `patience` seconds.
        """
        length = dict(scope["headers"]).get(b"content-length", b"")
        if length.isdigit() and int(length) > largest:
            raise _too_large(largest)
        self._reading = True
        self._set(patience)
        pieces: list[bytes] = []
        size = 0
        try:
            while True:
                message: Any = await self._receive()
                if message["type"] == "http.disconnect":
                    raise ClientGoneError
                piece = message.get("body", b"")
                size += len(piece)
                if size > largest:
                    raise _too_large(largest)
                pieces.append(piece)
                if not message.get("more_body"):
                    self._reading = False
                    self._set(_SOON)
                    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        except asyncio.CancelledError:
            if not self._late:
                raise
            self._task.uncancel()
            raise RequestError(
                f"The request body did not arrive within {patience:g} s", status=408, code="request_timeout"
            ) from None

    async def begin(self, status: int, headers: Headers, *, stream: bool = False) -> None:
        """Send the head."""
        self.begun, self.status, self._streaming = True, status, stream
        self._sent = self._loop.time()
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes, *, last: bool = False) -> None:
        """Send a piece of the body."""
        self._sent, self._writing = self._loop.time(), True
        await self._send({"type": "http.response.body", "body": data, "more_body": not last})
        self._writing, self._done = False, self._done or last

    def ring(self) -> None:
        """The body has not come in time, the answer does not come at once, or there is a pause in it."""
        if self._reading:
            self.due, self._late = math.inf, True
            self._task.cancel()
            return
        if self._watcher is None:
            self._watcher = self._loop.create_task(self._watch())
        self._set(self._keep_alive)
        silent = self._loop.time() - self._sent
        if self._writing and silent >= self._write_timeout:
            self._leave()
        elif self._streaming and not self._writing and silent >= self._keep_alive * 0.9:
            self._comment = self._loop.create_task(self._fill())

    def _set(self, seconds: float) -> None:
        self.due = self._loop.time() + seconds
        if self.due < self._ticker.next:
            self._ticker.hurry(self.due)

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        self._task, self._ticker = task, ticker()
        self._ticker.add(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._ticker.discard(self)
        for task in (self._watcher, self._comment):
            if task is not None:
                task.cancel()
        if self.gone and kind is not None and issubclass(kind, asyncio.CancelledError):
            return self._task.uncancel() == 0
        return False

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self._done:  # once the answer is whole, a server reports a disconnect in any case
            self._leave()

    async def _fill(self) -> None:
        if not (self._writing or self._done):
            await self.write(KEEP_ALIVE)

    def _leave(self) -> None:
        self.due = math.inf
        if not self.gone:
            self.gone = True
            self._task.cancel()


def _too_large(largest: int) -> RequestError:
    return RequestError(f"The request body has over {largest} bytes", status=413, code="request_too_large")
