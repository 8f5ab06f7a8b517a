"""A server for tests of HTTP clients: it sends exact bytes, and runs in the event loop of the test.

    async def answer(connection: Connection) -> None:
        while request := await connection.request():
            await connection.send(b"HTTP/1.1 200 OK\\r\\ncontent-", b"length: 2\\r\\n\\r\\nHi")

    async with RawUpstream(answer) as upstream:
        ...                                        # the code under test talks to upstream.origin

It differs from `llms_core.testing.ScriptedUpstream`, which runs in a thread, in that a test may play thousands of
responses in a second, and decides itself where the bytes are split.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import NamedTuple, Self

#: Bytes that the head of a request may have.
MAX_HEAD_BYTES = 256 * 1024

# Seconds that clients may take to close their connections.
_CLOSE_TIMEOUT = 5


class RawRequest(NamedTuple):
    """A request as it arrived. The names of its headers are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Connection:
    """The server's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int):
        self.reader = reader
        self.writer = writer
        #: 1 for the first connection of the server
        self.number = number

    async def request_head(self) -> RawRequest | None:
        """Read the head of a request, and leave its body unread. Return None at the end of the connection."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        start, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        method, target, _ = start.split(" ")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return RawRequest(method, target, headers, b"")

    async def request(self) -> RawRequest | None:
        """Read a request whose body has a content-length. Return None at the end of the connection."""
        head = await self.request_head()
        if head is None:
            return None
        length = int(head.headers.get("content-length", "0"))
        return head._replace(body=await self.reader.readexactly(length))

    async def send(self, *pieces: bytes) -> None:
        """Send each piece as a write of its own, and let the client run in between."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def wait_closed(self) -> None:
        """Read and ignore what the client sends until it closes the connection."""
        while await self.reader.read(65536):
            pass

    def reset(self) -> None:
        """Close the connection at once; bytes that are still unsent are lost."""
        self.writer.transport.abort()


Answer = Callable[[Connection], Awaitable[None]]


class RawUpstream:
    """Calls `answer` for each connection, and closes the connection when it returns. An async context manager."""

    def __init__(self, answer: Answer, *, tls: ssl.SSLContext | None = None):
        self._answer = answer
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        #: connections that were accepted so far
        self.accepted = 0

    @property
    def origin(self) -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        return len(self._tasks)

    async def wait_until_closed(self) -> None:
        """Wait until the clients have closed all connections. Raises TimeoutError after some seconds."""
        async with asyncio.timeout(_CLOSE_TIMEOUT):
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", 0, limit=MAX_HEAD_BYTES, ssl=self._tls, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.ensure_future(self._serve(Connection(reader, writer, self.accepted)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: Connection) -> None:
        writer = connection.writer
        # So that every piece becomes a packet of its own.
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            # The client may close the connection at any time.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._answer(connection)
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def greet(connection: Connection) -> None:
    """Answer every request of a connection in the same way."""
    while await connection.request():
        await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nHi")
