"""The scripted upstream itself: an HTTP server on a loopback port, in a thread."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import Self, cast

from llms_core.testing.upstream.http1 import ReplyWriter, read_request
from llms_core.testing.upstream.replies import completion, json_body
from llms_core.testing.upstream.script import Reply
from llms_core.testing.upstream.seen import Seen

#: The most bytes that are buffered of a request before reading pauses; also the longest request head.
_READ_LIMIT = 2**20
_JOIN_TIMEOUT = 10.0  # seconds


class ScriptedUpstream:
    """An HTTP server on a free loopback port, which answers as the test scripted."""

    #: The reply once the script is exhausted.
    default: Reply
    #: Replies by the end of the path. They take precedence over the script and do not consume it. Contains `/models`.
    routes: dict[str, Reply]
    #: The requests, in the order in which they arrived.
    requests: list[Seen]

    def __init__(self) -> None:
        model = {"id": "m", "object": "model", "created": 1_700_000_000, "owned_by": "scripted"}
        self.default = completion()
        self.routes = {"/models": json_body({"object": "list", "data": [model]})}
        self.requests = []
        self._script: deque[Reply] = deque()
        self._arrived = threading.Condition()
        self._connection_numbers = itertools.count(1)
        self._conversations: set[asyncio.Task[None]] = set()
        self._script_error: Exception | None = None

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.origin = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.base_url = f"{self.origin}/v1"
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="scripted-upstream", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=_JOIN_TIMEOUT)
        # The test's own failure is more informative than the mistake in the script that may have caused it.
        if exc is None and self._script_error is not None:
            raise self._script_error

    def script(self, *replies: Reply) -> None:
        """Answer the next requests with `replies`, one each, after those that are already scripted."""
        self._script.extend(replies)

    def forget_script(self) -> None:
        """Answer the next requests with `default`, whatever is left of the script."""
        self._script.clear()

    def wait_for_request(self, n: int = 1, timeout: float = 5.0) -> Seen:
        """Return the `n`-th request, counted from 1. Raises AssertionError if it does not arrive in `timeout` s."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.requests) >= n, timeout):
                raise AssertionError(
                    f"request {n} did not arrive within {timeout} s; arrived: {self.requests}"
                )
            return self.requests[n - 1]

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await self._loop.create_server(self._create_protocol, sock=self._socket)
        await self._stop.wait()
        self._loop.remove_reader(self._socket)
        # close() would leave a connection open that is just being accepted: let it become a conversation first.
        await asyncio.sleep(0)
        server.close()
        for conversation in self._conversations:
            conversation.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    def _create_protocol(self) -> asyncio.StreamReaderProtocol:
        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            conversation = self._loop.create_task(self._converse(cast(_Reader, reader), writer))
            self._conversations.add(conversation)
            conversation.add_done_callback(self._conversations.discard)
            # A conversation that is cancelled before it begins never reaches its own `finally`.
            conversation.add_done_callback(lambda _: writer.transport.abort())

        return asyncio.StreamReaderProtocol(_Reader(limit=_READ_LIMIT), begin)

    async def _converse(self, reader: _Reader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until either side closes it."""
        connection = next(self._connection_numbers)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # With an empty write buffer as the limit, drain() returns when the kernel has all of the data.
        writer.transport.set_write_buffer_limits(high=0)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                reusable = True
                while reusable:
                    seen = await read_request(reader, writer, connection)
                    reusable = await self._answer(seen, reader, writer)
        except Exception as error:
            # A mistake in the script: `__exit__` raises it in the test's thread.
            self._script_error = self._script_error or error
        finally:
            writer.close()
            # close() alone would wait for a client that no longer reads.
            writer.transport.abort()

    async def _answer(self, seen: Seen, reader: _Reader, writer: asyncio.StreamWriter) -> bool:
        """Play the reply unless the client leaves first; return whether the connection can be used again."""
        reply = self._next_reply(seen.path)
        with self._arrived:
            self.requests.append(seen)
            self._arrived.notify_all()
        leaving = self._loop.create_task(reader.gone.wait())
        playing = self._loop.create_task(ReplyWriter(writer).play(reply, seen))
        try:
            await asyncio.wait({playing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            seen.closed_early = not playing.done() or isinstance(
                playing.exception(), ConnectionError
            )
            return not seen.closed_early and playing.result()
        finally:
            playing.cancel()
            leaving.cancel()
            seen.mark_over()

    def _next_reply(self, path: str) -> Reply:
        path_without_query = path.partition("?")[0]
        for suffix, reply in self.routes.items():
            if path_without_query.endswith(suffix):
                return reply
        if self._script:
            return self._script.popleft()
        return self.default


class _Reader(asyncio.StreamReader):
    """A stream reader whose event `gone` is set when the client disconnects, even while nothing reads."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit=limit)
        self.gone = asyncio.Event()

    def feed_eof(self) -> None:
        super().feed_eof()
        self.gone.set()

    def set_exception(self, exc: Exception) -> None:
        super().set_exception(exc)
        self.gone.set()
