"""Malformed responses fail, never hang, and never become part of the next response."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

import http_exchange
import pytest
from example_count import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_upstream import Connection, RawRequest, RawUpstream

from llms_core.errors import ErrorKind, ProviderError
from llms_core.provider import UpstreamRequest
from llms_core.upstream.transport import HttpResponse, HttpTransport

if TYPE_CHECKING:
    from tests.core.upstream.conftest import Name, Talk

#: Seconds that a client may take for a response of which it has every byte.
TIMEOUT = 3

KB = 1024
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
SMUGGLED = OK + b"content-length: 8\r\n\r\nsmuggled"


def with_field(field: bytes) -> bytes:
    """A response with one more field; valid if the field is."""
    return OK + field + b"\r\ncontent-length: 2\r\n\r\nHi"


def with_framing(*fields: bytes, body: bytes = b"Hi") -> bytes:
    return OK + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


#: Rejected as soon as they have arrived, while the connection is still open.
INVALID: dict[str, bytes] = {
    # The status line
    "HTTP/0.9": b"<html>Hello</html>\r\n\r\n",
    "HTTP/2 in the status line": b"HTTP/2 200\r\ncontent-length: 2\r\n\r\nHi",
    "HTTP/3.7 in the status line": b"HTTP/3.7 200 OK\r\ncontent-length: 2\r\n\r\nHi",
    "HTTP in lower case": b"http/1.1 200 OK\r\ncontent-length: 2\r\n\r\nHi",
    "another protocol's name": b"ICAP/1.0 200 OK\r\n\r\n",
    "a request": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 20 OK\r\ncontent-length: 2\r\n\r\nHi",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\ncontent-length: 2\r\n\r\nHi",
    "a status that is not a number": b"HTTP/1.1 OK 200\r\ncontent-length: 2\r\n\r\nHi",
    "a negative status": b"HTTP/1.1 -200 OK\r\ncontent-length: 2\r\n\r\nHi",
    "no status": b"HTTP/1.1\r\ncontent-length: 2\r\n\r\nHi",
    "no version": b"200 OK\r\ncontent-length: 2\r\n\r\nHi",
    "CR in the reason": b"HTTP/1.1 200 O\rK\r\ncontent-length: 2\r\n\r\nHi",
    "another protocol's greeting": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "a TLS record": b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n",
    "an HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/2 settings": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80\x00\r\n\r\n",
    "every byte": bytes(range(256)) * 2 + b"\r\n\r\n",
    "JSON": b'{"choices": []}\r\n\r\n',
    # Fields
    "a field without a colon": with_field(b"nonsense"),
    "a field without a name": with_field(b": value"),
    "a space before the colon": with_field(b"x-a : value"),
    "a space within a name": with_field(b"x a: value"),
    "NUL in a name": with_field(b"x-\0a: value"),
    "NUL in a value": with_field(b"x-a: val\0ue"),
    "CR in a value": with_field(b"x-a: val\rue"),
    "CR in a name": with_field(b"x-\ra: value"),
    "a control character in a value": with_field(b"x-a: val\x01ue"),
    "DEL in a value": with_field(b"x-a: val\x7fue"),
    "a name beyond ASCII": with_field("x-ä: value".encode()),
    "a continued line before the first field": OK + b" x-a: b\r\ncontent-length: 2\r\n\r\nHi",
    # Content-Length
    "two lengths": with_framing(b"content-length: 2", b"content-length: 3", body=b"Hi!"),
    "a list of lengths": with_framing(b"content-length: 2, 3", body=b"Hi!"),
    "a negative length": with_framing(b"content-length: -2"),
    "a signed length": with_framing(b"content-length: +2"),
    "a hexadecimal length": with_framing(b"content-length: 0x2"),
    "a fractional length": with_framing(b"content-length: 2.0"),
    "a length that is not a number": with_framing(b"content-length: many"),
    "a length of two words": with_framing(b"content-length: 2 2"),
    "a length of 2**64": with_framing(b"content-length: 18446744073709551616"),
    "a length of forty digits": with_framing(b"content-length: " + b"9" * 40),
    # Transfer-Encoding
    "a tab after chunked": OK + b"transfer-encoding: chunked\t\r\n\r\n2\r\nHi\r\n0\r\n\r\n",
    "a length beside chunks": with_framing(
        b"content-length: 2", b"transfer-encoding: chunked", body=b"2\r\nHi\r\n0\r\n\r\n"
    ),
    "chunks beside a length": with_framing(
        b"transfer-encoding: chunked", b"content-length: 2", body=b"2\r\nHi\r\n0\r\n\r\n"
    ),
    # Chunks
    "a chunk size that is not a number": CHUNKED + b"zz\r\nHi\r\n0\r\n\r\n",
    "a negative chunk size": CHUNKED + b"-2\r\nHi\r\n0\r\n\r\n",
    "a chunk size with 0x": CHUNKED + b"0x2\r\nHi\r\n0\r\n\r\n",
    "an empty chunk size": CHUNKED + b"\r\nHi\r\n0\r\n\r\n",
    "an extension without a chunk size": CHUNKED + b";a=b\r\nHi\r\n0\r\n\r\n",
    "a chunk size of 2**64": CHUNKED + b"10000000000000000\r\nHi\r\n0\r\n\r\n",
    "a chunk size of forty digits": CHUNKED + b"f" * 40 + b"\r\nHi\r\n0\r\n\r\n",
    "a chunk longer than its size": CHUNKED + b"2\r\nHiHi\r\n0\r\n\r\n",
    "a chunk without an end": CHUNKED + b"2\r\nHi0\r\n\r\n",
    "NUL in an extension": CHUNKED + b"2;a=\0\r\nHi\r\n0\r\n\r\n",
    "CR alone after a chunk size": CHUNKED + b"2\rHi\r\n0\r\n\r\n",
    "an invalid trailer": CHUNKED + b"2\r\nHi\r\n0\r\nnonsense\r\n\r\n",
    "NUL in a trailer": CHUNKED + b"2\r\nHi\r\n0\r\nx-a: \0\r\n\r\n",
    # Informational responses
    "nine of 1xx": b"HTTP/1.1 100 Continue\r\n\r\n" * 9 + OK + b"content-length: 2\r\n\r\nHi",
    "another protocol, not requested": (
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n"
    ),
    # Sizes
    "a field of 70 KB": with_field(b"x-a: " + b"y" * 70 * KB),
    "a name of 70 KB": with_field(b"x-" + b"y" * 70 * KB + b": a"),
    "70 KB of short fields": with_field(b"\r\n".join([b"x-a: b"] * (9 * KB))),
    # What the parser does not report is limited only if it does not arrive at once; more than 256 KB never do.
    "a reason of 400 KB": b"HTTP/1.1 200 " + b"O" * 400 * KB + b"\r\ncontent-length: 2\r\n\r\nHi",
    "an unfinished head of 200 KB": OK + b"x-a: " + b"y" * 200 * KB,
    "an extension of 400 KB": CHUNKED + b"2;a=" + b"y" * 400 * KB + b"\r\nHi\r\n0\r\n\r\n",
    "a trailer of 70 KB": CHUNKED + b"2\r\nHi\r\n0\r\nx-a: " + b"y" * 70 * KB + b"\r\n\r\n",
    "70 KB of short trailers": CHUNKED + b"2\r\nHi\r\n0\r\n" + b"x-a: b\r\n" * (9 * KB) + b"\r\n",
}

#: Rejected once the server closes the connection.
INCOMPLETE: dict[str, bytes] = {
    "nothing": b"",
    "an empty line": b"\r\n",
    "a part of the status line": b"HTTP/1.",
    "a status line": OK,
    "a head without its end": OK + b"content-length: 2\r\n",
    "1xx alone": b"HTTP/1.1 100 Continue\r\n\r\n",
    "a body shorter than its length": with_framing(b"content-length: 3"),
    "no body despite its length": with_framing(b"content-length: 3", body=b""),
    "a body shorter than a large length": with_framing(b"content-length: 9223372036854775807"),
    "no chunk": CHUNKED,
    "a chunk shorter than its size": CHUNKED + b"3\r\nHi",
    "a chunk size without an end": CHUNKED + b"2",
    "no last chunk": CHUNKED + b"2\r\nHi\r\n",
    "no end of the last chunk": CHUNKED + b"2\r\nHi\r\n0\r\n",
    "a part of a trailer": CHUNKED + b"2\r\nHi\r\n0\r\nx-a: b",
}

#: Either rejected or read as the body "Hi": clients differ, and each of them is right.
TOLERABLE: dict[str, bytes] = {
    "empty lines before the status line": b"\r\n\r\n" + with_framing(b"content-length: 2"),
    "LF alone as line ends": b"HTTP/1.1 200 OK\ncontent-length: 2\n\nHi",
    "a tab after the version": b"HTTP/1.1\t200 OK\r\ncontent-length: 2\r\n\r\nHi",
    "two spaces after the version": b"HTTP/1.1  200 OK\r\ncontent-length: 2\r\n\r\nHi",
    "NUL in the reason": b"HTTP/1.1 200 O\0K\r\ncontent-length: 2\r\n\r\nHi",
    "two equal lengths": with_framing(b"content-length: 2", b"content-length: 2"),
    "a list of equal lengths": with_framing(b"content-length: 2, 2"),
    "a length with leading zeros": with_framing(b"content-length: 0002"),
    "a folded field": with_field(b"x-a: b\r\n c"),
    "a value beyond ASCII": with_field(b"x-a: \xc3\xa4\xff"),
    "spaces after a chunk size": CHUNKED + b"2  \r\nHi\r\n0\r\n\r\n",
    "an extension with spaces": CHUNKED + b"2 ; a = b\r\nHi\r\n0\r\n\r\n",
    "LF alone after a chunk size": CHUNKED + b"2\nHi\r\n0\r\n\r\n",
    "a chunk size with many zeros": CHUNKED + b"0" * 14 + b"2\r\nHi\r\n0\r\n\r\n",
    "chunks beside a tab": with_framing(
        b"transfer-encoding:\tchunked\t", body=b"2\r\nHi\r\n0\r\n\r\n"
    ),
    "chunked twice": with_framing(
        b"transfer-encoding: chunked", b"transfer-encoding: chunked", body=b"2\r\nHi\r\n0\r\n\r\n"
    ),
    "a list of codings": with_framing(
        b"transfer-encoding: identity, chunked", body=b"2\r\nHi\r\n0\r\n\r\n"
    ),
    "a field of 40 KB": with_field(b"x-a: " + b"y" * 40 * KB),
    "a length beside chunks and bytes": with_framing(
        b"transfer-encoding: xchunked", b"content-length: 2"
    ),
}

#: Followed by bytes that belong to no response. What precedes them may be read.
SURPLUS: dict[str, bytes] = {
    "after a length": with_framing(b"content-length: 2") + SMUGGLED,
    "after a length of zero": with_framing(b"content-length: 0", body=b"") + SMUGGLED,
    "after the last chunk": CHUNKED + b"2\r\nHi\r\n0\r\n\r\n" + SMUGGLED,
    "after trailers": CHUNKED + b"2\r\nHi\r\n0\r\nx-a: b\r\n\r\n" + SMUGGLED,
    "after 204": b"HTTP/1.1 204 No Content\r\n\r\n" + SMUGGLED,
    "after 304": b"HTTP/1.1 304 Not Modified\r\n\r\n" + SMUGGLED,
    "after a length of 304": b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n" + SMUGGLED,
    "after chunks of 304": b"HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n"
    + SMUGGLED,
    "after the announced end": with_framing(b"connection: close", b"content-length: 2") + SMUGGLED,
    "a single byte": with_framing(b"content-length: 2") + b"!",
    "a head that is not finished": with_framing(b"content-length: 2") + OK + b"x-a: ",
    "arbitrary bytes": with_framing(b"content-length: 2") + bytes(range(256)),
    "1xx": with_framing(b"content-length: 2") + b"HTTP/1.1 100 Continue\r\n\r\n",
    "1xx after 204": b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
}

#: httpx reads these: h11 limits less, and ignores more.
HTTPX_READS = frozenset(
    {
        "HTTP/3.7 in the status line",
        "a control character in a value",
        "DEL in a value",
        "a tab after chunked",
        "a length beside chunks",
        "chunks beside a length",
        "NUL in an extension",
        "nine of 1xx",
        "a field of 70 KB",
        "a name of 70 KB",
        "70 KB of short fields",
        "a trailer of 70 KB",
        "70 KB of short trailers",
    }
)

#: For what only our own engine guarantees: httpx limits nothing of this, and takes bytes after a response for the next.
native_only = pytest.mark.parametrize("name", ["native"], indirect=True)


class Outcome(NamedTuple):
    """What a client made of a malformed response, and what the next request on the same transport showed."""

    error: ProviderError | None
    status: int
    body: bytes
    #: whether the next request was sent on the connection of the malformed response
    reused: bool


class Malformed:
    """A server that answers the first request with `wire`, and each of the others with the body of the request."""

    def __init__(self, *, closes: bool, silence: float = TIMEOUT * 2):
        self.wire = b""
        self._closes = closes
        # Seconds without another request until it closes the connection of `wire`: the client waits for the rest.
        # Other connections stay open, so that a slow machine does not close one before its request has arrived.
        self._silence = silence
        self._connection = 0
        self._next = 0

    async def answer(self, connection: Connection) -> None:
        while request := await self._request(connection):
            if request.target == "/malformed":
                self._connection = connection.number
                connection.writer.write(self.wire)
                await connection.writer.drain()
                if self._closes:
                    return
            else:
                self._next = connection.number
                length = str(len(request.body)).encode()
                await connection.send(
                    OK + b"content-length: " + length + b"\r\n\r\n" + request.body
                )

    async def _request(self, connection: Connection) -> RawRequest | None:
        silence = self._silence if connection.number == self._connection else None
        try:
            async with asyncio.timeout(silence):
                return await connection.request()
        except TimeoutError:
            return None

    async def play(self, transport: HttpTransport, origin: str, wire: bytes) -> Outcome:
        """Let the client read `wire`, and verify that the next request gets its own response."""
        self.wire = wire
        error = None
        status = 0
        body = b""
        try:
            status, body = await exchange(transport, f"{origin}/malformed", b"{}")
        except ProviderError as raised:
            error = raised
        for question in (b"first question", b"second question"):
            assert await exchange(transport, f"{origin}/next", question) == (200, question)
        return Outcome(error, status, body, self._next == self._connection)


async def exchange(transport: HttpTransport, url: str, content: bytes) -> tuple[int, bytes]:
    """Return the status and the body. Raises TimeoutError if the client hangs."""
    async with asyncio.timeout(TIMEOUT):
        return await http_exchange.exchange(transport, url, content)


def play(talk: Talk, wire: bytes, *, closes: bool) -> Outcome:
    async def work(transport: HttpTransport) -> Outcome:
        server = Malformed(closes=closes)
        async with RawUpstream(server.answer) as upstream:
            return await server.play(transport, upstream.origin, wire)

    return talk(work)


@pytest.mark.parametrize("shape", INVALID)
def test_an_invalid_response_is_a_network_error(talk: Talk, name: Name, shape: str) -> None:
    """SR-072."""
    # h11 reads a head to its end before it looks at it.
    closes = name == "httpx"
    outcome = play(talk, INVALID[shape], closes=closes)
    if name == "httpx" and shape in HTTPX_READS:
        assert outcome.error is None
        return
    assert outcome.error is not None
    assert outcome.error.kind is ErrorKind.NETWORK
    assert not outcome.reused


@pytest.mark.parametrize("shape", INCOMPLETE)
def test_a_response_that_ends_too_early_is_a_network_error(talk: Talk, shape: str) -> None:
    """SR-072."""
    outcome = play(talk, INCOMPLETE[shape], closes=True)
    assert outcome.error is not None
    assert outcome.error.kind is ErrorKind.NETWORK


@pytest.mark.parametrize("shape", TOLERABLE)
def test_an_unusual_response_is_rejected_or_read_as_it_is_meant(talk: Talk, shape: str) -> None:
    outcome = play(talk, TOLERABLE[shape], closes=True)
    if outcome.error is None:
        assert (outcome.status, outcome.body) == (200, b"Hi")
    else:
        assert outcome.error.kind is ErrorKind.NETWORK


@native_only
@pytest.mark.parametrize("shape", SURPLUS)
def test_bytes_after_a_response_are_not_the_next_response(talk: Talk, shape: str) -> None:
    outcome = play(talk, SURPLUS[shape], closes=False)
    assert b"smuggled" not in outcome.body
    assert not outcome.reused


@native_only
def test_an_empty_line_after_a_response_is_harmless(talk: Talk) -> None:
    """Some old servers send one."""
    outcome = play(talk, with_framing(b"content-length: 2") + b"\r\n", closes=False)
    assert (outcome.status, outcome.body) == (200, b"Hi")


@native_only
@pytest.mark.parametrize(
    "surplus", [SMUGGLED, b"!", b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n"]
)
def test_bytes_on_an_idle_connection_are_not_the_next_response(talk: Talk, surplus: bytes) -> None:
    """They arrive between two requests. Some servers send 408 before they close an idle connection."""

    async def answer(connection: Connection) -> None:
        while request := await connection.request():
            await connection.send(
                with_framing(b"content-length: %d" % len(request.body), body=request.body)
            )
            if request.body == b"first":
                await asyncio.sleep(0.02)
                await connection.send(surplus)
                arrived.set()

    async def work(transport: HttpTransport) -> None:
        async with RawUpstream(answer) as upstream:
            assert await exchange(transport, upstream.origin, b"first") == (200, b"first")
            await arrived.wait()
            # The client's event loop sees the bytes before it sends the next request.
            await asyncio.sleep(0.02)
            assert await exchange(transport, upstream.origin, b"second") == (200, b"second")
            assert upstream.accepted == 2

    arrived = asyncio.Event()
    talk(work)


# Mutations

VALID: tuple[bytes, ...] = (
    OK
    + b"content-type: application/json\r\nretry-after: 7\r\ncontent-length: 13\r\n\r\nHello, world!",
    CHUNKED + b"5;a=b\r\nHello\r\n8\r\n, world!\r\n0\r\nx-trailer: t\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    + CHUNKED
    + b"1\r\nH\r\n4\r\nello\r\n0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nx-a: b\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nHello",
)
FRAGMENTS = (
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
        b"0",
        b"1",
        b"f",
        b"\xff",
        b"\r\n\r\n",
    ),
    *(
        b"content-length: 2\r\n",
        b"transfer-encoding: chunked\r\n",
        b"connection: close\r\n",
        b"0\r\n\r\n",
        OK,
        SMUGGLED,
    ),
)


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """A valid response with up to four changes."""
    wire = draw(st.sampled_from(VALID))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(wire)))
        end = min(len(wire), start + draw(st.integers(0, 12)))
        match draw(st.sampled_from(("remove", "repeat", "replace", "insert"))):
            case "remove":
                wire = wire[:start] + wire[end:]
            case "repeat":
                wire = wire[:end] + wire[start:]
            case "replace":
                wire = wire[:start] + draw(st.binary(max_size=3)) + wire[start + 1 :]
            case _:
                wire = wire[:start] + draw(st.sampled_from(FRAGMENTS)) + wire[start:]
    return wire


def assert_contained(talk: Talk, wires: list[bytes]) -> None:
    """Each of the responses is read or rejected, and the requests after it get their own responses."""

    async def work(transport: HttpTransport) -> None:
        server = Malformed(closes=False, silence=0.02)
        async with RawUpstream(server.answer) as upstream:
            for wire in wires:
                await server.play(transport, upstream.origin, wire)

    talk(work)


MUTATED = settings(deadline=None, suppress_health_check=list(HealthCheck))


@native_only
@settings(MUTATED, max_examples=50)
@given(wires=st.lists(mutations(), min_size=4, max_size=4))
def test_a_mutated_response_does_not_reach_the_next_request(talk: Talk, wires: list[bytes]) -> None:
    assert_contained(talk, wires)


@pytest.mark.slow
@native_only
@settings(MUTATED, max_examples=examples(1000))
@given(wires=st.lists(mutations(), min_size=4, max_size=4))
def test_many_mutated_responses_do_not_reach_the_next_request(
    talk: Talk, wires: list[bytes]
) -> None:
    assert_contained(talk, wires)


# Floods

FLOODS: dict[str, tuple[bytes, bytes]] = {
    "fields": (OK, b"x-a: b\r\n" * KB),
    "a field": (OK + b"x-a: ", b"y" * 8 * KB),
    "a status line": (b"HTTP/1.1 200 ", b"O" * 8 * KB),
    "1xx": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 200),
    "1xx with fields": (b"", b"HTTP/1.1 103 Early Hints\r\nlink: " + b"y" * 8 * KB + b"\r\n\r\n"),
    "an extension": (CHUNKED + b"2;a=", b"y" * 8 * KB),
    "trailers": (CHUNKED + b"0\r\n", b"x-a: b\r\n" * KB),
    "a trailer": (CHUNKED + b"0\r\nx-a: ", b"y" * 8 * KB),
    "zeros of a chunk size": (CHUNKED, b"0" * 8 * KB),
}

#: Bytes that a client may accept of a flood: its limits, and what the buffers of two sockets hold.
MAX_FLOOD = 16 * KB * KB


class Flood:
    """A server in a thread that sends without an end until the client closes the connection."""

    def __init__(self, start: bytes, repeated: bytes):
        self._start = start
        self._repeated = repeated
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.origin = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.sent = 0

    def _run(self) -> None:
        with suppress(OSError):
            connection, _ = self._listening.accept()
            with connection:
                connection.settimeout(TIMEOUT)
                connection.recv(64 * KB)
                connection.sendall(self._start)
                while self.sent < 64 * MAX_FLOOD:
                    connection.sendall(self._repeated)
                    self.sent += len(self._repeated)

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._listening.close()
            self._thread.join(TIMEOUT * 2)
            assert not self._thread.is_alive()


@native_only
@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_is_cut_off(talk: Talk, kind: str) -> None:
    """Limits: 64 KB of a head or of trailers, and eight responses of 1xx."""
    flood = Flood(*FLOODS[kind])
    with flood.running(), pytest.raises(ProviderError) as caught:
        talk(lambda transport: exchange(transport, flood.origin, b"{}"))
    assert caught.value.kind is ErrorKind.NETWORK
    assert flood.sent < MAX_FLOOD


ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "chunks of a byte": (CHUNKED, b"1\r\na\r\n" * KB),
    "large chunks": (CHUNKED, b"%x\r\n" % (8 * KB) + b"y" * 8 * KB + b"\r\n"),
    "an endless body": (OK + b"\r\n", b"y" * 64 * KB),
    "a large length": (OK + b"content-length: 9223372036854775807\r\n\r\n", b"y" * 64 * KB),
}


async def read_for(response: HttpResponse, seconds: float) -> None:
    """Read a body. Raises TimeoutError after some seconds."""
    async with asyncio.timeout(seconds):
        while await response.read():
            pass


@native_only
@pytest.mark.parametrize("kind", ENDLESS)
def test_time_limits_apply_to_an_endless_body(talk: Talk, kind: str) -> None:
    """The body arrives faster than it can be read; other tasks run all the same."""
    flood = Flood(*ENDLESS[kind])
    delays: list[float] = []

    async def measure_delays() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.01)
            delays.append(time.perf_counter() - before)

    async def work(transport: HttpTransport) -> None:
        measuring = asyncio.ensure_future(measure_delays())
        response = await transport.send(UpstreamRequest(url=flood.origin, headers={}), 5)
        with pytest.raises(TimeoutError):
            await read_for(response, 0.3)
        await response.aclose()
        measuring.cancel()

    with flood.running():
        talk(work)
    assert len(delays) > 3


def test_a_client_that_does_not_read_makes_the_server_wait(talk: Talk) -> None:
    """What a slow client has not read stays at the provider, not in memory."""
    flood = Flood(OK + b"\r\n", b"y" * 64 * KB)

    async def work(transport: HttpTransport) -> None:
        response = await transport.send(UpstreamRequest(url=flood.origin, headers={}), 5)
        before = -1
        # Once all buffers are full; a kernel may enlarge its own meanwhile.
        while flood.sent != before:
            before = flood.sent
            await asyncio.sleep(0.3)
        for _ in range(1000):
            await response.read()
        assert flood.sent > before
        await response.aclose()

    with flood.running():
        talk(work)
    assert flood.sent < 64 * MAX_FLOOD
