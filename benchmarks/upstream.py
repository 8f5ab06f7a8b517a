"""A mock provider: `python -m benchmarks.upstream PORT`.

It speaks OpenAI's JSON at `/v1/chat/completions`; under `/fail/v1/` it answers every request with status 500. The first
words of the user's message (`chunks=100 pause=10 batch=1`) determine a stream, so that one configuration of a gateway
serves every phase. `GET /stats` returns statistics. Requests on one connection must follow one another: no gateway
pipelines them.

This is a bare asyncio protocol, with responses that are prepared in advance, so that the upstream takes little of the
core that it shares with the load generator.
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
    """What the upstream has been asked."""

    #: Requests so far.
    asked: int = 0
    #: Requests that were failed on purpose.
    failed: int = 0
    #: Streams that are open now.
    open: int = 0


_ENVELOPE = {
    "id": "chatcmpl-benchmark",
    "created": 1_790_000_000,
    "model": MODEL,
    "system_fingerprint": "fp_benchmark",
}
_USAGE = {
    "prompt_tokens": 90,
    "completion_tokens": 100,
    "total_tokens": 190,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}
_MESSAGE = {
    "role": "assistant",
    "content": f"This is {MARK}. " + "Paris it is. " * 17,
    "refusal": None,
}
_CHOICE = {
    "index": 0,
    "message": _MESSAGE,
    "logprobs": None,
    "finish_reason": "stop",
}


def _response(status: str, content: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\n"
        "content-type: application/json\r\n"
        "x-request-id: req-1\r\n"
        f"content-length: {len(content)}\r\n"
        "\r\n"
    )
    return head.encode() + content


def _completion() -> bytes:
    completion = {
        **_ENVELOPE,
        "object": "chat.completion",
        "choices": [_CHOICE],
        "usage": _USAGE,
    }
    return _response("200 OK", msgspec.json.encode(completion))


def _frame(content: bytes) -> bytes:
    """One chunk of a body in chunked transfer encoding."""
    return b"%x\r\n%b\r\n" % (len(content), content)


def _event(**members: Any) -> bytes:
    """One event of a stream, in a chunk of its own."""
    data = msgspec.json.encode({**_ENVELOPE, "object": "chat.completion.chunk", **members})
    return _frame(b"data: %b\n\n" % data)


def _delta(finish_reason: str | None = None, **delta: str) -> bytes:
    choice = {
        "index": 0,
        "delta": delta,
        "logprobs": None,
        "finish_reason": finish_reason,
    }
    return _event(choices=[choice])


_PLACEHOLDER = "#" * DIGITS
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    b"x-request-id: req-1\r\ntransfer-encoding: chunked\r\n\r\n"
)

COMPLETION = _completion()
FAILURE = _response(
    "500 Internal Server Error", b'{"error":{"message":"It always fails","type":"server_error"}}'
)
NOT_FOUND = _response(
    "404 Not Found", b'{"error":{"message":"There is no such path","type":"invalid_request_error"}}'
)
STREAM_BEGIN = _STREAM_HEAD + _delta(role="assistant", content="")
#: A chunk without its time stamp: only the stamp is different in each chunk.
BEFORE_STAMP, AFTER_STAMP = _delta(content=STAMP + _PLACEHOLDER).split(_PLACEHOLDER.encode())
STREAM_END = (
    _delta("stop") + _event(choices=[], usage=_USAGE) + _frame(b"data: [DONE]\n\n") + b"0\r\n\r\n"
)

_CONTENT_LENGTH = re.compile(rb"\ncontent-length: *(\d+)")
_STREAM_MEMBER = re.compile(rb'"stream": ?true')
_INSTRUCTIONS = re.compile(rb"chunks=(\d+) pause=([\d.]+) batch=(\d+)")

# Strings in JSON contain no line feeds, so nothing else in a request looks like this.
_LAST_CHUNK = b"\r\n0\r\n\r\n"


class Upstream(asyncio.Protocol):
    """One connection of a gateway."""

    transport: asyncio.Transport

    def __init__(self, stats: Stats):
        self._stats = stats
        self._received = bytearray()
        self._head = b""
        #: The length of the request; None if its body is chunked.
        self._needed: int | None = None
        self._streaming = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport does not inherit from asyncio.Transport.
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_stream()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._head and not self._read_head():
            return
        if not self._is_complete():
            return
        head = self._head
        request = bytes(self._received)
        self._head = b""
        self._received.clear()
        path = head.split(b" ", 2)[1]
        self._serve(path, request)

    def _read_head(self) -> bool:
        """Read the head once it is complete, so that a body of megabytes is not searched for it repeatedly."""
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return False
        self._head = bytes(self._received[:end]).lower()
        if b"\ntransfer-encoding: chunked" in self._head:
            self._needed = None
        else:
            length = _CONTENT_LENGTH.search(self._head)
            self._needed = end + 4 + int(length[1] if length else 0)
        if b"\nexpect: 100-continue" in self._head:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _is_complete(self) -> bool:
        if self._needed is None:
            return self._received.endswith(_LAST_CHUNK)
        return len(self._received) >= self._needed

    def _serve(self, path: bytes, request: bytes) -> None:
        if path == b"/stats":
            self.transport.write(_response("200 OK", msgspec.json.encode(self._stats)))
            return
        self._stats.asked += 1
        if path.startswith(b"/fail/"):
            self._stats.failed += 1
            self.transport.write(FAILURE)
        elif path != b"/v1/chat/completions":
            self.transport.write(NOT_FOUND)
        elif _STREAM_MEMBER.search(request) and (instructions := _INSTRUCTIONS.search(request)):
            chunks = int(instructions[1])
            pause = float(instructions[2]) / 1000
            batch = int(instructions[3])
            self._begin_stream(chunks, pause, batch)
        else:
            self.transport.write(COMPLETION)

    def _begin_stream(self, chunks: int, pause: float, batch: int) -> None:
        self._stats.open += 1
        self._streaming = True
        self.transport.write(STREAM_BEGIN)
        loop = asyncio.get_running_loop()
        self._write_batch(loop, loop.time(), chunks, pause, batch)

    def _write_batch(
        self, loop: asyncio.AbstractEventLoop, due: float, left: int, pause: float, batch: int
    ) -> None:
        """Write the next chunks, in one write per turn of the event loop, as tokens arrive from a real provider."""
        if not self._streaming:
            return
        if left <= 0:
            self._end_stream()
            self.transport.write(STREAM_END)
            return
        chunk = BEFORE_STAMP + b"%0*d" % (DIGITS, time.monotonic_ns()) + AFTER_STAMP
        self.transport.write(chunk * min(batch, left))
        if pause:
            # Relative to when this batch was due, so that delays do not add up.
            next_due = due + pause
            loop.call_at(next_due, self._write_batch, loop, next_due, left - batch, pause, batch)
        else:
            loop.call_soon(self._write_batch, loop, due, left - batch, pause, batch)

    def _end_stream(self) -> None:
        if self._streaming:
            self._stats.open -= 1
            self._streaming = False


async def serve(port: int) -> None:
    """Serve until the process is stopped."""
    stats = Stats()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Upstream(stats), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    eventloop.run(serve(int(sys.argv[1])))
