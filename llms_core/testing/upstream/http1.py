"""HTTP/1.1 on a bare socket: a request read, and the steps of a reply written, including invalid ones."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus

from llms_core.testing.upstream.script import (
    TRUNCATING,
    Body,
    Chunk,
    Close,
    Drip,
    Headers,
    Raw,
    Reply,
    Reset,
    Stall,
    Status,
    Step,
    Wait,
)
from llms_core.testing.upstream.seen import Seen

#: Seconds between two checks of whether the client is still there, while a `Wait` blocks a worker thread.
_WAIT_SLICE = 0.05


async def read_request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int
) -> Seen:
    """Read one request. Raises IncompleteReadError if the client closes the connection first."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    request_line, *header_lines = head.removesuffix("\r\n\r\n").split("\r\n")
    method, path, _ = request_line.split(" ")
    headers = _parse_headers(header_lines)

    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = await _read_chunked(reader)
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Seen(method, path, headers, body, connection)


def _parse_headers(lines: Sequence[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name = name.lower()
        value = value.strip()
        if name in headers:
            value = f"{headers[name]}, {value}"
        headers[name] = value
    return headers


async def _read_chunked(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while True:
        # A chunk's size may be followed by extensions, after a semicolon.
        size_field = (await reader.readuntil(b"\n")).partition(b";")[0]
        size = int(size_field, 16)
        if size == 0:
            break
        chunk_and_line_end = await reader.readexactly(size + 2)
        body += chunk_and_line_end[:-2]
    while (await reader.readuntil(b"\n")).strip():
        pass  # skip the trailers
    return bytes(body)


class ReplyWriter:
    """Writes the steps of one reply to a connection."""

    def __init__(self, writer: asyncio.StreamWriter):
        self._writer = writer
        self._headers: dict[str, str] | None = None

    async def play(self, reply: Reply, seen: Seen) -> bool:
        """Play all steps; return whether the connection can be used for another request.

        Raises ValueError if a step sends a body before there was a `Status`.
        """
        steps = tuple(reply.steps(seen))
        for position, step in enumerate(steps):
            match step:
                case Status():
                    await self._write_head(step, steps[position + 1 :])
                case Body(data) | Chunk(data):
                    await self._write_body(data, steps)
                case Drip(data, size):
                    await self._drip(data, size, steps)
                case Raw(data):
                    await self._write(data)
                case Wait() if not await _is_set_in_time(step):
                    self._reset()
                    return False
                case Stall():
                    await asyncio.Event().wait()
                case Close():
                    return False
                case Reset():
                    self._reset()
                    return False
        return await self._finish(seen)

    async def _finish(self, seen: Seen) -> bool:
        if self._headers is None:
            return False
        if _is_chunked(self._headers):
            await self._write(b"0\r\n\r\n")
        connection_headers = (self._headers.get("connection"), seen.headers.get("connection"))
        return "close" not in connection_headers

    async def _write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def _write_head(self, status: Status, following: Sequence[Step]) -> None:
        self._headers = _framed_headers(status, following)
        await self._write(_encode_head(status.code, self._headers))

    async def _write_body(self, data: bytes, steps: Sequence[Step]) -> None:
        if self._headers is None:
            raise ValueError(f"a body needs a Status before it, or is Raw: {steps}")
        # An empty chunk would end the body.
        if _is_chunked(self._headers) and data:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        await self._write(data)

    async def _drip(self, data: bytes, size: int, steps: Sequence[Step]) -> None:
        for start in range(0, len(data), size):
            await self._write_body(data[start : start + size], steps)
            # Let the event loop send each piece separately.
            await asyncio.sleep(0)

    def _reset(self) -> None:
        # With a linger time of zero, close() sends RST instead of FIN.
        linger = struct.pack("ii", 1, 0)
        self._writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, linger
        )
        self._writer.transport.abort()


def _framed_headers(status: Status, following: Sequence[Step]) -> dict[str, str]:
    """The headers, including the one that frames the body."""
    headers = {name.lower(): value for name, value in status.headers.items()}
    states_framing = "content-length" in headers or "transfer-encoding" in headers
    has_no_body = status.code in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
    if states_framing or has_no_body:
        return headers
    if any(isinstance(step, Chunk) for step in following):
        return {**headers, "transfer-encoding": "chunked"}
    if headers.get("connection") == "close":
        return headers
    length = sum(len(step.data) for step in following if isinstance(step, Body | Drip))
    if any(isinstance(step, TRUNCATING) for step in following):
        # Announce one byte more than is sent, so that the client notices the truncation.
        length += 1
    return {**headers, "content-length": str(length)}


def _encode_head(code: int, headers: Headers) -> bytes:
    lines = [f"HTTP/1.1 {code} {_reason_phrase(code)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _reason_phrase(code: int) -> str:
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return "Scripted"  # such as 529, which HTTP does not define


def _is_chunked(headers: Headers) -> bool:
    return headers.get("transfer-encoding") == "chunked"


async def _is_set_in_time(wait: Wait) -> bool:
    """Wait for the test's event in a worker thread; return whether it was set before the timeout.

    The thread waits in short slices: it cannot be cancelled, so a slice bounds how long it outlives a client that left.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(wait.timeout):
            while not await asyncio.to_thread(wait.event.wait, _WAIT_SLICE):
                pass
    return wait.event.is_set()
