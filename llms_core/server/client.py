"""The client's side of one request: its body in, the answer out, and whether it is still there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from litestar.types import Receive, Scope, Send

from llms_core.deadline import Deadline
from llms_core.errors import RequestError
from llms_core.server.sse import KEEP_ALIVE

Headers = Iterable[tuple[bytes, bytes]]

_SOON = 0.1  # seconds until a client is watched: a task of its own costs more than the rest of a short request


class ClientGoneError(Exception):
    """The client went away before its request was read."""


async def read_body(scope: Scope, receive: Receive, largest: int, patience: float) -> bytes:
    """The request's body. Raises RequestError: 413 where it has over `largest` bytes, 408 where it is too slow."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > largest:
            raise _too_large(largest)
    pieces: list[bytes] = []
    size, deadline = 0, Deadline()
    try:
        with deadline.at(asyncio.get_running_loop().time() + patience):
            while True:
                message: Any = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGoneError
                piece = message.get("body", b"")
                size += len(piece)
                if size > largest:
                    raise _too_large(largest)
                pieces.append(piece)
                if not message.get("more_body"):
                    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    except TimeoutError:
        raise RequestError(
            f"The request body did not arrive within {patience:g} s", status=408, code="request_timeout"
        ) from None
    finally:
        deadline.close()


class Client:
    """Sends the answer, and cancels the request's task once the client has gone.

    As a context: inside it a client that goes away, or takes nothing for `write_timeout` seconds, cancels the task, and
    leaving swallows that cancellation (`gone` is set). Once a stream has begun, a pause of `keep_alive` seconds is
    filled with a comment. What is answered at once is over before the watch begins.
    """

    def __init__(self, receive: Receive, send: Send, keep_alive: float, write_timeout: float):
        self._receive, self._send = receive, send
        self._keep_alive, self._write_timeout = keep_alive, write_timeout
        self._loop = asyncio.get_running_loop()
        self._sent = 0.0
        self._soon: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._streaming = self._writing = self._done = False
        self.begun = self.gone = False
        self.status = 0

    async def begin(self, status: int, headers: Headers, *, stream: bool = False) -> None:
        """Send the head."""
        self.begun, self.status, self._streaming = True, status, stream
        self._sent = self._loop.time()
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes, *, last: bool = False) -> None:
        """Send a piece of the body."""
        self._sent, self._writing = self._loop.time(), True
        await self._send({"type": "http.response.body", "body": data, "more_body": not last})
        self._writing, self._done = False, last

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        self._task = task
        self._soon = self._loop.call_later(min(_SOON, self._keep_alive / 2, self._write_timeout / 2), self._begin_watch)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if self._soon is not None:
            self._soon.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        if self.gone and kind is not None and issubclass(kind, asyncio.CancelledError):
            return self._task.uncancel() == 0
        return False

    def _begin_watch(self) -> None:
        self._watcher = self._loop.create_task(self._watch())

    async def _watch(self) -> None:
        while not await self._disconnected():
            silent = self._loop.time() - self._sent
            if self._writing and silent >= self._write_timeout:
                break
            if self._streaming and not self._writing and silent >= self._keep_alive * 0.9:
                await self.write(KEEP_ALIVE)
        if not self._done:  # once the answer is whole, a server reports a disconnect in any case
            self.gone = True
            self._task.cancel()

    async def _disconnected(self) -> bool:
        """Whether the client went away within one pause."""
        try:
            async with asyncio.timeout(self._keep_alive):
                while (await self._receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            return False
        return True


def _too_large(largest: int) -> RequestError:
    return RequestError(f"The request body has over {largest} bytes", status=413, code="request_too_large")
