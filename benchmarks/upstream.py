"""A mock provider: `python -m benchmarks.upstream PORT`.

It speaks OpenAI's JSON at `/v1/chat/completions`; under `/fail/v1/` it answers everything with 500. The user's first
words (`chunks=100 pause=10 batch=1`) say how a stream goes, so that one configuration of a gateway serves every phase.
`GET /stats` tells what was asked so far. Requests on one connection come one after another: no gateway pipelines.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from typing import Any, cast

import msgspec

from benchmarks import eventloop
from benchmarks.plan import DIGITS, MARK, MODEL, STAMP


class Stats(msgspec.Struct):
    """Requests so far, those that were failed on purpose, and the streams that are open now."""

    asked: int = 0
    failed: int = 0
    open: int = 0


def _answer(status: str, content: bytes) -> bytes:
    return (
        f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\nx-request-id: req-1\r\n"
        f"content-length: {len(content)}\r\n\r\n"
    ).encode() + content


def _frame(content: bytes) -> bytes:
    """One piece of a body in chunked transfer encoding."""
    return b"%x\r\n%b\r\n" % (len(content), content)


def _event(**members: Any) -> bytes:
    """One chunk of a stream, ready for the wire."""
    return _frame(b"data: %b\n\n" % msgspec.json.encode({**_COMMON, "object": "chat.completion.chunk", **members}))


def _delta(finish_reason: str | None = None, **delta: str) -> bytes:
    return _event(choices=[{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}])


_COMMON = {"id": "chatcmpl-benchmark", "created": 1_790_000_000, "model": MODEL, "system_fingerprint": "fp_benchmark"}
_USAGE = {
    "prompt_tokens": 90,
    "completion_tokens": 100,
    "total_tokens": 190,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}
_MESSAGE = {"role": "assistant", "content": f"This is {MARK}. " + "Paris it is. " * 17, "refusal": None}
_CHOICE = {"index": 0, "message": _MESSAGE, "logprobs": None, "finish_reason": "stop"}
WHOLE = _answer(
    "200 OK",
    msgspec.json.encode({**_COMMON, "object": "chat.completion", "choices": [_CHOICE], "usage": _USAGE}),
)
FAILURE = _answer("500 Internal Server Error", b'{"error":{"message":"It always fails","type":"server_error"}}')
NOT_FOUND = _answer("404 Not Found", b'{"error":{"message":"There is no such path","type":"invalid_request_error"}}')
STREAM_BEGINS = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req-1\r\ntransfer-encoding: chunked\r\n\r\n"
) + _delta(role="assistant", content="")
BEFORE_TIME, AFTER_TIME = _delta(content=STAMP + "#" * DIGITS).split(b"#" * DIGITS)
STREAM_ENDS = _delta("stop") + _event(choices=[], usage=_USAGE) + _frame(b"data: [DONE]\n\n") + b"0\r\n\r\n"

_LENGTH = re.compile(rb"\ncontent-length: *(\d+)")
_STREAM = re.compile(rb'"stream": ?true')
_ORDERS = re.compile(rb"chunks=(\d+) pause=([\d.]+) batch=(\d+)")
_LAST_FRAME = b"\r\n0\r\n\r\n"  # JSON has no line feed of its own in a string: nothing else looks like it


class Upstream(asyncio.Protocol):
    """One connection of a gateway's."""

    transport: asyncio.Transport

    def __init__(self, stats: Stats):
        self._stats = stats
        self._received = bytearray()
        self._needed: int | None = None
        self._head = b""
        self._streaming = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def connection_lost(self, exc: Exception | None) -> None:
        self._stream_over()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._head and not self._take_head():
            return
        if self._needed is None:
            if not self._received.endswith(_LAST_FRAME):
                return
        elif len(self._received) < self._needed:
            return
        head, request = self._head, bytes(self._received)
        self._head = b""
        self._received.clear()
        self._serve(head.split(b" ", 2)[1], request)

    def _take_head(self) -> bool:
        """Read the head, in lower case, once it is there: a body of megabytes is not searched again and again."""
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return False
        self._head = bytes(self._received[:end]).lower()
        length = _LENGTH.search(self._head)
        chunked = b"\ntransfer-encoding: chunked" in self._head
        self._needed = None if chunked else end + 4 + int(length[1] if length else 0)
        if b"\nexpect: 100-continue" in self._head:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _serve(self, path: bytes, request: bytes) -> None:
        if path == b"/stats":
            self.transport.write(_answer("200 OK", msgspec.json.encode(self._stats)))
            return
        self._stats.asked += 1
        if path.startswith(b"/fail/"):
            self._stats.failed += 1
            self.transport.write(FAILURE)
        elif path != b"/v1/chat/completions":
            self.transport.write(NOT_FOUND)
        elif _STREAM.search(request) and (orders := _ORDERS.search(request)):
            self._stats.open += 1
            self._streaming = True
            self.transport.write(STREAM_BEGINS)
            loop = asyncio.get_running_loop()
            self._stream(loop, loop.time(), int(orders[1]), float(orders[2]) / 1000, int(orders[3]))
        else:
            self.transport.write(WHOLE)

    def _stream(self, loop: asyncio.AbstractEventLoop, due: float, left: int, pause: float, batch: int) -> None:
        """Send the next chunks; each batch is a write and a turn of the loop of its own, as tokens arrive."""
        if not self._streaming:
            return
        if left <= 0:
            self._stream_over()
            self.transport.write(STREAM_ENDS)
            return
        chunk = BEFORE_TIME + b"%0*d" % (DIGITS, time.monotonic_ns()) + AFTER_TIME
        self.transport.write(chunk * min(batch, left))
        if pause:
            loop.call_at(due + pause, self._stream, loop, due + pause, left - batch, pause, batch)
        else:
            loop.call_soon(self._stream, loop, due, left - batch, pause, batch)

    def _stream_over(self) -> None:
        self._stats.open -= self._streaming
        self._streaming = False


async def serve(port: int) -> None:
    """Serve until the process is ended."""
    stats = Stats()
    server = await asyncio.get_running_loop().create_server(lambda: Upstream(stats), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    eventloop.run(serve(int(sys.argv[1])))
