"""The load generator: `python -m benchmarks.load '{"port": 8000, "connections": 32, "seconds": 1}'`.

The argument is a `plan.Load` as JSON; the output is a `plan.Answered`. Every answer is checked. A connection that
breaks counts as a wrong answer and is not replaced. One that the gateway announces to close is.

This is a bare asyncio protocol, because a client library would take more CPU time than some of the gateways.
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
"""Seconds that the last answers may take after the end of the load."""

_CONTENT_LENGTH = re.compile(rb"\ncontent-length: *(\d+)")
_STAMP = STAMP.encode()
_STAMPED_TIME = re.compile(rb"%b(\d{%d})" % (_STAMP, DIGITS))
_LAST_CHUNK = b"\r\n0\r\n\r\n"
_SHOWN = 200  # bytes of a response that is not HTTP


def encode_request(load: Load) -> bytes:
    """Return the bytes of a request, which are the same for every request of a load."""
    content = body(load)
    lines = [f"POST {load.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers(load).items()]
    lines += [f"content-length: {len(content)}", "", ""]
    return "\r\n".join(lines).encode() + content


class Run:
    """A load while it runs, and its measurements so far. Times are in ns."""

    def __init__(self, load: Load):
        self.load = load
        self.request = encode_request(load)
        self.right = 0
        self.wrong = 0
        self.asked = 0
        self.fault = ""
        self.latencies = array("q")
        self.firsts = array("q")
        self.delays = array("q")
        self.ended = 0
        self._began = 0
        self._until = 0
        self._open = 0
        self._over = asyncio.Event()
        self._reopening: set[asyncio.Task[None]] = set()

    def take_request(self) -> bool:
        """Return whether another request is to be sent; if so, it is counted."""
        is_time_left = time.monotonic_ns() < self._until
        if not is_time_left or self.asked == self.load.requests:
            return False
        self.asked += 1
        return True

    def count_wrong(self, description: str) -> None:
        """Count a wrong answer."""
        self.wrong += 1
        self.fault = self.fault or description

    def leave(self) -> None:
        """Count a connection that is finished; the last one ends the load."""
        self._open -= 1
        if not self._open:
            self._over.set()

    def replace(self) -> None:
        """Open a new connection in place of one that was closed after its answer."""
        task = asyncio.get_running_loop().create_task(self._reopen())
        self._reopening.add(task)
        task.add_done_callback(self._reopening.discard)

    async def _reopen(self) -> None:
        try:
            connection = await self._connect()
        except OSError as error:
            self.count_wrong(f"no connection: {error}")
            self.leave()
        else:
            connection.ask()

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(self), "127.0.0.1", self.load.port
        )
        return connection

    async def go(self) -> Answered:
        """Send the requests, and wait for the answers. An answer that does not come in time is wrong."""
        self._open = self.load.connections
        connections = [await self._connect() for _ in range(self._open)]
        cpu_before = time.process_time()
        self._began = time.monotonic_ns()
        self._until = self._began + int(self.load.seconds * 1e9)
        self._schedule_first_requests(connections)
        try:
            async with asyncio.timeout(self.load.seconds + GRACE):
                await self._over.wait()
        except TimeoutError:
            self.wrong += self._open
            self.fault = self.fault or f"no answer within {GRACE} s"
        return self._summarize(time.process_time() - cpu_before)

    def _schedule_first_requests(self, connections: list[Connection]) -> None:
        # Spread over one pause: streams that start together would send their chunks in bursts.
        loop = asyncio.get_running_loop()
        pause = self.load.pause / 1000
        for number, connection in enumerate(connections):
            loop.call_later(pause * number / len(connections), connection.ask)

    def _summarize(self, load_cpu: float) -> Answered:
        # At least one ns, so that the rate is defined even without an answer.
        ended = max(self.ended, self._began + 1)
        return Answered(
            right=self.right,
            wrong=self.wrong,
            fault=self.fault,
            seconds=(ended - self._began) / 1e9,
            load_cpu=load_cpu,
            p50=quantile(self.latencies, 0.5),
            p99=quantile(self.latencies, 0.99),
            first_p50=quantile(self.firsts, 0.5),
            delay_p99=quantile(self.delays, 0.99),
        )


class Connection(asyncio.Protocol):
    """A keep-alive connection, which sends its next request when it has its answer."""

    transport: asyncio.Transport

    def __init__(self, run: Run):
        self._run = run
        self._answer = bytearray()
        #: The length of the answer's head; 0 until it is complete.
        self._head_length = 0
        #: The length of the answer; None if its body is chunked.
        self._needed: int | None = None
        #: When the request was sent, and when the first chunk arrived, in ns; 0 if not yet.
        self._began = 0
        self._first = 0
        self._busy = True
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport does not inherit from asyncio.Transport.
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._busy:
            self._run.count_wrong(f"the connection broke: {exc or 'closed'}")
            self._leave()

    def ask(self) -> None:
        """Send the next request, or finish if the load is over."""
        if not self._busy:
            return
        if not self._run.take_request():
            self._leave()
            return
        self._head_length = 0
        self._first = 0
        self._answer.clear()
        self._began = time.monotonic_ns()
        self.transport.write(self._run.request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        self._answer += data
        load = self._run.load
        if load.chunks and not self._first and _STAMP in data:
            self._first = now
        if load.pause:
            # A time stamp that arrives in two pieces is not measured; the chunks are counted at the end.
            self._run.delays.extend([now - int(stamp) for stamp in _STAMPED_TIME.findall(data)])
        if not self._is_complete():
            return
        self._check_answer(now)
        if self._closing:
            self._busy = False
            self.transport.close()
            self._run.replace()
        else:
            self.ask()

    def _leave(self) -> None:
        self._busy = False
        self._run.leave()

    def _is_complete(self) -> bool:
        if not self._head_length and not self._read_head():
            return False
        if self._needed is None:
            return self._answer.endswith(_LAST_CHUNK)
        return len(self._answer) >= self._needed

    def _read_head(self) -> bool:
        end = self._answer.find(b"\r\n\r\n")
        if end < 0:
            return False
        self._head_length = end + 4
        head = bytes(self._answer[:end]).lower()
        self._closing = b"\nconnection: close" in head
        length = _CONTENT_LENGTH.search(head)
        self._needed = self._head_length + int(length[1]) if length else None
        return True

    def _check_answer(self, now: int) -> None:
        run = self._run
        run.ended = now
        wrong = self._fault()
        if wrong is not None:
            run.count_wrong(wrong)
            return
        run.right += 1
        run.latencies.append(now - self._began)
        if self._first:
            run.firsts.append(self._first - self._began)

    def _fault(self) -> str | None:
        answer = bytes(self._answer)
        try:
            status = int(answer[9:12])  # after "HTTP/1.1 "
            content = answer[self._head_length :]
            if self._needed is None:
                content = join_chunks(content)
        except ValueError:
            return f"no HTTP: {answer[:_SHOWN]!r}"
        return fault(self._run.load, status, content)


def join_chunks(encoded: bytes) -> bytes:
    """Decode a body in chunked transfer encoding. Raises ValueError if it is malformed."""
    pieces: list[bytes] = []
    at = 0
    while True:
        line_end = encoded.index(b"\r\n", at)
        size = int(encoded[at:line_end].partition(b";")[0], 16)
        begin = line_end + 2
        end = begin + size
        if size < 0 or encoded[end : end + 2] != b"\r\n":
            raise ValueError(f"no chunk of {size} bytes")
        if not size:
            return b"".join(pieces)
        pieces.append(encoded[begin:end])
        at = end + 2


def quantile(values: array[int], share: float) -> float:
    """Return the value, in ms, that a share of the values (ns) do not exceed; 0 without values."""
    if not values:
        return 0.0
    return sorted(values)[int((len(values) - 1) * share)] / 1e6


async def main(load: Load) -> Answered:
    """Run one load."""
    return await Run(load).go()


if __name__ == "__main__":
    answered = eventloop.run(main(msgspec.json.decode(sys.argv[1], type=Load)))
    sys.stdout.buffer.write(msgspec.json.encode(answered))
