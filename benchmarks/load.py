"""The load generator: `python -m benchmarks.load '{"port": 8000, "connections": 32, "seconds": 1}'`.

The argument is a `plan.Load` as JSON, the result a `plan.Answered` on stdout. Every answer is checked. A connection
that breaks counts as a wrong answer and is not opened again; one that a gateway says it closes is.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from array import array
from typing import cast

import msgspec

from benchmarks import eventloop
from benchmarks.plan import DIGITS, STAMP, Answered, Load, body, fault, headers

GRACE = 30.0
"""Seconds that the last answers may take once the time is up."""

_LENGTH = re.compile(rb"\ncontent-length: *(\d+)")
_STAMP = STAMP.encode()
_STAMPED = re.compile(rb"%b(\d{%d})" % (_STAMP, DIGITS))
_LAST_FRAME = b"\r\n0\r\n\r\n"


class Run:
    """One load while it runs: what is still to be asked, and what came of what was asked. Times in ns."""

    def __init__(self, load: Load):
        self.load = load
        content = body(load)
        lines = [f"POST {load.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers(load).items())]
        self.request = "\r\n".join([*lines, f"content-length: {len(content)}", "", ""]).encode() + content
        self.right = self.wrong = self.asked = 0
        self.fault = ""
        self.latencies, self.firsts, self.delays = array("q"), array("q"), array("q")
        self.began = self.until = self.ended = 0
        self.open = 0
        self.over = asyncio.Event()
        self._reopening: set[asyncio.Task[None]] = set()

    def wants_more(self) -> bool:
        """Whether there is another request to ask; if so, it counts as asked."""
        more = time.monotonic_ns() < self.until and self.asked != self.load.requests
        self.asked += more
        return more

    def take_wrong(self, fault: str) -> None:
        """Count a wrong answer."""
        self.wrong += 1
        self.fault = self.fault or fault

    def leave(self) -> None:
        """A connection has nothing to do any more."""
        self.open -= 1
        if not self.open:
            self.over.set()

    def replace(self) -> None:
        """A connection was closed after its answer: another one takes its place."""
        task = asyncio.get_running_loop().create_task(self._reopen())
        self._reopening.add(task)
        task.add_done_callback(self._reopening.discard)

    async def _reopen(self) -> None:
        try:
            connection = await self._connect()
        except OSError as error:
            self.take_wrong(f"no connection: {error}")
            self.leave()
        else:
            connection.ask()

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(self), "127.0.0.1", self.load.port)
        return connection

    async def go(self) -> Answered:
        """Ask and wait for the answers. What does not come in time is wrong."""
        loop = asyncio.get_running_loop()
        self.open = self.load.connections
        connections = [await self._connect() for _ in range(self.open)]
        spent = time.process_time()
        self.began = time.monotonic_ns()
        self.until = self.began + int(self.load.seconds * 1e9)
        for number, connection in enumerate(connections):  # over one pause: streams in step would come in bursts
            loop.call_later(self.load.pause / 1000 * number / len(connections), connection.ask)
        try:
            async with asyncio.timeout(self.load.seconds + GRACE):
                await self.over.wait()
        except TimeoutError:
            self.wrong += self.open
            self.fault = self.fault or f"no answer within {GRACE} s"
        return Answered(
            right=self.right,
            wrong=self.wrong,
            fault=self.fault,
            seconds=(max(self.ended, self.began + 1) - self.began) / 1e9,
            load_cpu=time.process_time() - spent,
            p50=quantile(self.latencies, 0.5),
            p99=quantile(self.latencies, 0.99),
            first_p50=quantile(self.firsts, 0.5),
            delay_p99=quantile(self.delays, 0.99),
        )


class Connection(asyncio.Protocol):
    """One keep-alive connection, which asks again once it has its answer."""

    transport: asyncio.Transport

    def __init__(self, run: Run):
        self._run = run
        self._answer = bytearray()
        self._head = 0
        self._needed: int | None = None
        self._began = self._first = 0
        self._busy, self._closing = True, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def connection_lost(self, exc: Exception | None) -> None:
        if self._busy:
            self._run.take_wrong(f"the connection broke: {exc or 'closed'}")
            self._leave()

    def ask(self) -> None:
        """Send the next request, or leave where enough was asked."""
        if self._busy and self._run.wants_more():
            self._head = self._first = 0
            self._answer.clear()
            self._began = time.monotonic_ns()
            self.transport.write(self._run.request)
        elif self._busy:
            self._leave()

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        self._answer += data
        load = self._run.load
        if load.chunks and not self._first and _STAMP in data:
            self._first = now
        if load.pause:  # a stamp in two pieces is not timed; the chunks are counted once the answer is whole
            self._run.delays.extend([now - int(stamp) for stamp in _STAMPED.findall(data)])
        if self._is_whole():
            self._judge(now)
            if self._closing:
                self._busy = False
                self.transport.close()
                self._run.replace()
            else:
                self.ask()

    def _leave(self) -> None:
        self._busy = False
        self._run.leave()

    def _is_whole(self) -> bool:
        if not self._head:
            end = self._answer.find(b"\r\n\r\n")
            if end < 0:
                return False
            self._head = end + 4
            head = bytes(self._answer[:end]).lower()
            self._closing = b"\nconnection: close" in head
            length = _LENGTH.search(head)
            self._needed = self._head + int(length[1]) if length else None
        return self._answer.endswith(_LAST_FRAME) if self._needed is None else len(self._answer) >= self._needed

    def _judge(self, now: int) -> None:
        run, answer = self._run, bytes(self._answer)
        run.ended = now
        try:
            content = answer[self._head :] if self._needed is not None else joined(answer, self._head)
            wrong = fault(run.load, int(answer[9:12]), content)
        except ValueError:
            wrong = f"no HTTP: {answer[:200]!r}"
        if wrong is not None:
            run.take_wrong(wrong)
            return
        run.right += 1
        run.latencies.append(now - self._began)
        if self._first:
            run.firsts.append(self._first - self._began)


def joined(answer: bytes, at: int) -> bytes:
    """A body in chunked transfer encoding that begins at `at`. Raises ValueError where it makes no sense."""
    pieces: list[bytes] = []
    while True:
        end = answer.index(b"\r\n", at)
        size = int(answer[at:end].partition(b";")[0], 16)
        begin, at = end + 2, end + 4 + size
        if size < 0 or answer[at - 2 : at] != b"\r\n":
            raise ValueError(f"no frame of {size} bytes")
        if not size:
            return b"".join(pieces)
        pieces.append(answer[begin : begin + size])


def quantile(values: array[int], share: float) -> float:
    """The value (ns, returned in ms) that `share` of the values do not exceed; 0 for none."""
    return sorted(values)[int((len(values) - 1) * share)] / 1e6 if values else 0.0


async def main(load: Load) -> Answered:
    """Do one load."""
    return await Run(load).go()


if __name__ == "__main__":
    answered = eventloop.run(main(msgspec.json.decode(sys.argv[1], type=Load)))
    sys.stdout.buffer.write(msgspec.json.encode(answered))
