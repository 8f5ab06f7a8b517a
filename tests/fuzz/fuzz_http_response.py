"""Fuzzes the response reader of our own HTTP/1.1 engine, without sockets.

    python tests/fuzz/fuzz_http_response.py --seconds 600 --seed 1
    python tests/fuzz/fuzz_http_response.py --seed 1 --case 4711     # one case again, and what was sent

Each case changes a valid response at random, splits it at random, and hands the pieces to a connection of the real
transport, whose sockets are replaced. Then it sends another request. A case fails if

- the request neither ends when its connection ends, nor when it is cancelled, nor when h11 finds its response complete;
- it raises anything else than ProviderError;
- h11 reads a different status or body from the same bytes;
- a connection is used again although there were bytes after its response;
- the second request does not get its own response, or a connection is left open at the end.

Not collected by pytest: it runs for as long as it is told to. Exits with 1 if a case failed.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import random
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import h11

from llms_core.errors import ProviderError
from llms_core.provider import UpstreamRequest
from llms_core.upstream.http1.connection import Connection
from llms_core.upstream.http1.transport import Http1Transport
from llms_core.upstream.proxy import ProxyRules

#: Turns of the event loop after which everything that can happen has happened.
TURNS = 60

#: Failures that are written out.
MAX_FAILURES = 20

#: Bytes that a compressed body may expand to.
MAX_DECODED = 4 * 1024 * 1024

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n"
NEXT = b"the next response"

SEEDS: tuple[bytes, ...] = (
    OK + b"content-type: application/json\r\ncontent-length: 13\r\n\r\nHello, world!",
    OK + b"content-length: 0\r\n\r\n",
    OK + b"connection: close\r\n\r\nto the end",
    CHUNKED + b"\r\n5\r\nHello\r\n8;a=b\r\n, world!\r\n0\r\n\r\n",
    CHUNKED + b'\r\n1;q="a;b"\r\nH\r\n00004\r\nello\r\n000\r\nx-trailer: t\r\nexpires: 0\r\n\r\n',
    CHUNKED + b'content-type: text/event-stream\r\n\r\n10\r\ndata: {"a": 1}\n\n\r\n0\r\n\r\n',
    b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + OK + b"content-length: 2\r\n\r\nHi",
    b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + CHUNKED + b"\r\n2\r\nHi\r\n0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nx-a: b\r\n\r\n",
    b'HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\netag: "a"\r\n\r\n',
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
    b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\nHello",
    b"HTTP/1.0 200 OK\r\n\r\nto the end",
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\n{}",
    OK
    + b"content-encoding: gzip\r\ncontent-length: 38\r\n\r\n"
    + gzip.compress(b"Hello! " * 20, mtime=0).ljust(38),
    CHUNKED
    + b"content-encoding: gzip\r\n\r\n17\r\n"
    + gzip.compress(b"Hi!", mtime=0)
    + b"\r\n0\r\n\r\n",
)

TOKENS: tuple[bytes, ...] = (
    *(
        b"\r\n",
        b"\r",
        b"\n",
        b"\0",
        b" ",
        b"\t",
        b":",
        b",",
        b";",
        b"-",
        b"+",
        b"0",
        b"1",
        b"9",
        b"f",
        b"0x",
        b"\xff",
    ),
    *(
        b"\r\n\r\n",
        b"\n\n",
        b"\r\n ",
        b"0\r\n\r\n",
        b"ffffffffffffffff\r\n",
        b"10000000000000000\r\n",
        b"\x0b",
        b'"',
    ),
    *(
        b"content-length: 2\r\n",
        b"content-length: -1\r\n",
        b"Content-Length: 99999999999999999999\r\n",
    ),
    *(
        b"transfer-encoding: chunked\r\n",
        b"transfer-encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: identity\r\n",
    ),
    *(
        b"transfer-encoding:\tchunked\t\r\n",
        b"connection: close\r\n",
        b"connection: keep-alive\r\n",
        b"upgrade: h2c\r\n",
    ),
    *(
        b"content-encoding: gzip\r\n",
        b"content-encoding: br\r\n",
        b"content-encoding: gzip, gzip\r\n",
        b"HTTP/1.1 200 ",
    ),
    *(
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/2 200\r\n",
        OK,
        OK + b"content-length: 8\r\n\r\nsmuggled",
    ),
    *(b"x-a: " + b"y" * 70_000 + b"\r\n", b"x-a: b\r\n" * 9000, b"y" * 300_000),
)


# What is sent


def mutated(chance: random.Random) -> bytes:
    """Return a valid response with up to six changes, sometimes with more bytes after it."""
    wire = chance.choice(SEEDS)
    if chance.random() < 0.2:
        wire += chance.choice((*SEEDS, *TOKENS))
    for _ in range(chance.choice((0, 1, 1, 1, 2, 2, 3, 4, 6))):
        start = chance.randint(0, len(wire))
        end = min(len(wire), start + chance.choice((1, 1, 2, 4, 8, 40)))
        match chance.randrange(7):
            case 0:
                wire = wire[:start] + wire[end:]
            case 1:
                wire = wire[:end] + wire[start:]
            case 2:
                wire = wire[:start] + chance.randbytes(chance.randint(1, 3)) + wire[end:]
            case 3:
                wire = wire[:start] + bytes([chance.randrange(256)]) + wire[start + 1 :]
            case 4:
                other = chance.choice(SEEDS)
                wire = wire[:start] + other[chance.randint(0, len(other)) :]
            case 5:
                wire = wire[:start]
            case _:
                wire = wire[:start] + chance.choice(TOKENS) + wire[start:]
    return wire


def split(wire: bytes, chance: random.Random) -> list[bytes]:
    """Return the bytes in pieces: mostly a few, sometimes one or all."""
    if len(wire) < 2:
        return [wire]
    count = chance.choice((0, 0, 1, 2, 3, 8, len(wire) - 1))
    count = min(count, len(wire) - 1, 2000)
    bounds = [0, *sorted(chance.sample(range(1, len(wire)), count)), len(wire)]
    return [wire[start:end] for start, end in zip(bounds, bounds[1:], strict=False)]  # noqa: RUF007


# The engine, without sockets


class Socket(asyncio.Transport):
    """Takes the place of a socket. The driver calls `receive` and `end` for the server."""

    def __init__(self, connection: Connection, engine: Engine):
        super().__init__()
        self._connection = connection
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._paused = False
        self.closed = False

    # For the connection

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._engine.written.append(self)

    def abort(self) -> None:
        self._close(None)

    def close(self) -> None:
        self._close(None)

    def is_closing(self) -> bool:
        return self.closed

    # `receive` waits meanwhile, like a kernel whose buffer is full.
    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False

    # For the driver

    async def receive(self, data: bytes) -> None:
        """Let bytes arrive, once the connection reads."""
        for _ in range(TURNS):
            if not self._paused:
                break
            await asyncio.sleep(0)
        if not self.closed:
            self._connection.data_received(data)

    def end(self, error: Exception | None) -> None:
        """Let the server close the connection, or break it."""
        if self.closed:
            return
        if error is None:
            self._connection.eof_received()
        self._close(error)

    def _close(self, error: Exception | None) -> None:
        if not self.closed:
            self.closed = True
            self._loop.call_soon(self._connection.connection_lost, error)


class Engine:
    """The transport; takes the place of what opens its connections."""

    def __init__(self) -> None:
        #: the sockets that a request has been written to
        self.written: deque[Socket] = deque()
        self.sockets: list[Socket] = []
        self.transport = Http1Transport(cast(Any, None), ProxyRules(), max_decoded=MAX_DECODED)
        self.transport._connector = cast(Any, self)

    async def connect(self, *_: object) -> Connection:
        connection = Connection(asyncio.get_running_loop())
        socket = Socket(connection, self)
        self.sockets.append(socket)
        connection.connection_made(socket)
        return connection

    async def exchange(self) -> tuple[int, bytes]:
        request = UpstreamRequest(url="http://provider.example/v1", headers={}, content=b"{}")
        response = await self.transport.send(request, 5)
        body = b""
        try:
            while piece := await response.read():
                body += piece
        finally:
            await response.aclose()
        return response.status, body


# What h11 makes of the same bytes


class Reference(NamedTuple):
    """A response that h11 has read."""

    complete: bool
    status: int
    body: bytes
    #: the bytes after it
    surplus: bytes


def read_with_h11(wire: bytes, *, ended: bool) -> Reference | None:
    """Return what h11 reads; None if it rejects the response."""
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=128 * 1024)
    client.send(
        h11.Request(method="POST", target="/v1", headers=[("host", "a"), ("content-length", "0")])
    )
    client.send(h11.EndOfMessage())
    status = 0
    body = b""
    complete = False
    try:
        client.receive_data(wire)
        if ended:
            client.receive_data(b"")
        for event in _events(client):
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                complete = True
    except h11.ProtocolError:
        return None
    return Reference(complete, status, body, client.trailing_data[0])


def _events(client: h11.Connection) -> Iterator[object]:
    while True:
        event = client.next_event()
        if event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.ConnectionClosed):
            return
        yield event
        if isinstance(event, h11.EndOfMessage):
            return


# Cases


class Failed(Exception):
    """A case in which the engine did what it must not do."""


class Case:
    """One mutated response, and the requests before and after it."""

    def __init__(self, chance: random.Random):
        self._chance = chance
        self.wire = mutated(chance)
        self.pieces = split(self.wire, chance)
        #: how the connection ends: by the server, by a break, or not at all
        self.ending = chance.choice(("closed", "reset", "open"))
        #: whether the connection has been used before
        self.reused = chance.random() < 0.3
        #: what became of it
        self.outcome = ""

    def __repr__(self) -> str:
        return f"pieces={self.pieces!r:.3000} ending={self.ending} reused={self.reused} outcome={self.outcome}"

    async def run(self) -> None:
        """Raises Failed."""
        self._engine = Engine()
        if self.reused:
            # The parser has a state from then on.
            await self._next("before")
        task = asyncio.ensure_future(self._engine.exchange())
        used = await self._play(task)
        read = await self._result(task)
        self._compare(read, used)
        await self._next("after")
        await self._next("after that")
        await self._engine.transport.aclose()
        await turns()
        if not all(socket.closed for socket in self._engine.sockets):
            raise Failed("a connection is left open")

    async def _play(self, task: asyncio.Future[tuple[int, bytes]]) -> Socket | None:
        """Send the response; also to the repeated request, if no byte has arrived on a reused connection."""
        used = None
        for _ in range(2):
            await turns(5)
            if not self._engine.written:
                return used
            used = self._engine.written.popleft()
            for piece in self.pieces:
                await used.receive(piece)
                if self._chance.random() < 0.5:
                    await turns(self._chance.randint(1, 4))
            if self.ending != "open":
                used.end(ConnectionResetError("reset") if self.ending == "reset" else None)
            await turns()
            if task.done():
                return used
        return used

    async def _result(self, task: asyncio.Future[tuple[int, bytes]]) -> tuple[int, bytes] | None:
        """Return what was read; None if the response was rejected or is incomplete."""
        if not task.done():
            if self.ending != "open":
                task.cancel()
                raise Failed("the request hangs although its connection has ended")
            reference = read_with_h11(self.wire, ended=False)
            task.cancel()
            await turns()
            if not task.done():
                raise Failed("a cancelled request hangs")
            if reference is not None and reference.complete:
                raise Failed("the request hangs although its response is complete")
            self.outcome = "waits"
            return None
        error = task.exception()
        if isinstance(error, ProviderError):
            self.outcome = "rejected"
            return None
        if error is not None:
            raise Failed(f"unexpected {error!r}") from error
        self.outcome = "read"
        return task.result()

    def _compare(self, read: tuple[int, bytes] | None, used: Socket | None) -> None:
        # h11 decodes no content.
        if read is None or b"content-encoding" in self.wire.lower():
            return
        reference = read_with_h11(self.wire, ended=self.ending == "closed")
        if reference is None:
            # h11 rejects empty lines between responses and control characters in reasons, which are harmless.
            self.outcome = "read, h11 rejects"
            return
        if (reference.status, reference.body) != read:
            raise Failed(
                f"h11 reads {reference.status}, {reference.body!r:.500}, and not {read!r:.500}"
            )
        if reference.surplus.strip(b"\r\n") and used is not None and not used.closed:
            raise Failed(f"the connection is kept although {reference.surplus!r:.100} follows")

    async def _next(self, when: str) -> None:
        """Send a request whose response is valid."""
        self._engine.written.clear()
        task = asyncio.ensure_future(self._engine.exchange())
        body = f"{NEXT.decode()} {when}".encode()
        await turns(5)
        if self._engine.written:
            await self._engine.written[-1].receive(
                OK + b"content-length: %d\r\n\r\n" % len(body) + body
            )
        await turns()
        if not task.done():
            task.cancel()
            raise Failed(f"a request {when} hangs")
        if task.exception() is not None:
            raise Failed(f"a request {when} fails: {task.exception()}")
        if task.result() != (200, body):
            raise Failed(f"a request {when} gets another response: {task.result()!r:.500}")
        self._engine.written.clear()


async def turns(count: int = TURNS) -> None:
    """Let the event loop run what is due."""
    loop = asyncio.get_running_loop()
    for _ in range(count):
        await asyncio.sleep(0)
        if not loop._ready:  # type: ignore[attr-defined]
            # Nothing is due, and without sockets nothing will be.
            return


# The command


async def fuzz(seconds: float, seed: int, only: int | None) -> int:
    """Run cases for some seconds, or one of them. Return the number of those that failed."""
    loop = asyncio.get_running_loop()
    reported: list[str] = []
    loop.set_exception_handler(lambda _, context: reported.append(repr(context)))
    outcomes: Counter[str] = Counter()
    failures = 0
    start = time.monotonic()
    number = only or 0
    while only is not None or time.monotonic() - start < seconds:
        case = Case(random.Random(f"{seed}:{number}"))
        try:
            await case.run()
        except Failed as failure:
            reported.append(str(failure))
        outcomes[case.outcome or "failed"] += 1
        if reported or only is not None:
            failures += bool(reported)
            sys.stdout.write(f"case {number}: {'; '.join(reported) or 'passed'}\n  {case}\n")
            sys.stdout.flush()
            reported.clear()
        if only is not None or failures >= MAX_FAILURES:
            break
        number += 1
    elapsed = time.monotonic() - start
    counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    sys.stdout.write(
        f"{sum(outcomes.values())} cases in {elapsed:.0f} s ({counts}); {failures} failed\n"
    )
    return failures


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=int, help="run only the case of this number")
    options = parser.parse_args()
    failures = asyncio.run(fuzz(options.seconds, options.seed, options.case))
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
