"""Our own HTTP/1.1 engine and httpx read the same from every well-formed response, however its bytes are split."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import NamedTuple

import pytest
from example_count import examples
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from raw_upstream import Connection, RawUpstream

from llms_core.config.model import Upstream
from llms_core.provider import UpstreamRequest
from llms_core.upstream.engine import create_transport
from llms_core.upstream.transport import HttpTransport

#: Seconds for one response.
TIMEOUT = 3

#: Statuses whose responses end with their head, whatever their headers announce (RFC 9112, section 6.3).
NO_BODY = (204, 304)
STATUSES = (
    200,
    200,
    200,
    201,
    204,
    206,
    299,
    301,
    304,
    307,
    400,
    401,
    404,
    418,
    429,
    451,
    500,
    502,
    503,
    529,
    599,
)


class Chunk(NamedTuple):
    """A chunk of a body, with its size as it is spelled out and what follows the size."""

    data: bytes
    size: str
    extension: str


class Response(NamedTuple):
    """A response as it is sent, and what a client has to read from it."""

    status: int
    headers: dict[str, str]
    body: bytes
    wire: bytes
    #: whether the server closes the connection after it
    closes: bool
    #: where the bytes are split
    splits: tuple[int, ...] = ()

    def pieces(self) -> list[bytes]:
        bounds = [0, *self.splits, len(self.wire)]
        return [self.wire[start:end] for start, end in pairwise(bounds) if start < end]


# The characters of a token (RFC 9110, section 5.6.2), and those of a field's value.
TOKEN = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
VISIBLE = "".join(map(chr, range(0x21, 0x7F)))

# With a prefix, so that no name has a meaning of its own.
names = st.text(TOKEN, max_size=12).map(lambda name: f"x-{name}")
# Whitespace around a value is not part of it.
values = st.text(VISIBLE + " \t", max_size=40).map(lambda value: value.strip(" \t"))
reasons = st.text(VISIBLE + " \t", max_size=20)
padding = st.sampled_from(("", " ", "\t", "  \t"))
bodies = st.one_of(
    st.binary(max_size=60), st.binary(min_size=1, max_size=8).map(lambda piece: piece * 3000)
)
well_known = st.fixed_dictionaries(
    {},
    optional={
        "content-type": st.sampled_from(
            ("application/json", "text/event-stream; charset=utf-8", "")
        ),
        "retry-after": st.sampled_from(("0", "7", "Wed, 21 Oct 2015 07:28:00 GMT")),
        "x-request-id": st.uuids().map(str),
        "cache-control": st.just("no-store"),
    },
)


@st.composite
def headers(draw: st.DrawFn) -> dict[str, str]:
    """Fields whose names differ, also if their case is ignored."""
    fields: dict[str, str] = draw(well_known)
    more = draw(st.dictionaries(names, values, max_size=6))
    known = {name.lower() for name in fields}
    for name, value in more.items():
        if name.lower() not in known:
            known.add(name.lower())
            fields[name] = value
    return fields


@st.composite
def field_lines(draw: st.DrawFn, fields: dict[str, str]) -> bytes:
    lines = [f"{name}:{draw(padding)}{value}{draw(padding)}\r\n" for name, value in fields.items()]
    return "".join(lines).encode("latin-1")


@st.composite
def chunks(draw: st.DrawFn, body: bytes) -> list[Chunk]:
    """The body in chunks, whose sizes may have leading zeros and capital letters, and extensions behind them."""
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=5)))
    bounds = [0, *cuts, len(body)]
    pieces = [body[start:end] for start, end in pairwise(bounds) if start < end]
    extensions = st.sampled_from(("", "", ";a", ";name=value", ';q="a b"', ";a=1;b=2"))
    spellings = st.sampled_from(("{:x}", "{:X}", "0{:x}", "0000{:X}"))
    return [Chunk(piece, draw(spellings).format(len(piece)), draw(extensions)) for piece in pieces]


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    wire = b""
    for chunk in draw(chunks(body)):
        wire += f"{chunk.size}{chunk.extension}\r\n".encode() + chunk.data + b"\r\n"
    last = draw(st.sampled_from(("0", "000", "0;last", "0;a=b")))
    trailers = draw(st.dictionaries(names, values, max_size=3))
    return wire + last.encode() + b"\r\n" + draw(field_lines(trailers)) + b"\r\n"


@st.composite
def informational(draw: st.DrawFn) -> bytes:
    """Up to eight responses with a status of 1xx, which precede the response. 101 would change the protocol."""
    wire = b""
    for status in draw(st.lists(st.sampled_from((100, 102, 103, 199)), max_size=8)):
        fields = draw(st.dictionaries(names, values, max_size=2))
        wire += (
            f"HTTP/1.1 {status} {draw(reasons)}\r\n".encode() + draw(field_lines(fields)) + b"\r\n"
        )
    return wire


@st.composite
def responses(draw: st.DrawFn) -> Response:
    status = draw(st.sampled_from(STATUSES))
    fields = draw(headers())
    body = draw(bodies)
    framing = draw(st.sampled_from(("content-length", "chunked", "close")))
    closes = framing == "close" or draw(st.booleans())
    framed = body
    match framing:
        case "content-length":
            announced = {
                draw(st.sampled_from(("content-length", "Content-Length"))): str(len(body))
            }
        case "chunked":
            announced = {"Transfer-Encoding": draw(st.sampled_from(("chunked", "Chunked")))}
            framed = draw(chunked(body))
        case _:
            announced = {}
    if closes:
        announced["connection"] = draw(st.sampled_from(("close", "Close")))
    if status in NO_BODY:
        body = framed = b""
    if status == 204:
        # A server must not announce a body for this status, while 304 announces the body of 200.
        announced.pop("Transfer-Encoding", None)
        announced.pop("content-length", None)
        announced.pop("Content-Length", None)
    # Their values are not padded: llhttp does not recognize `chunked` before a tab (see test_http1_malformed).
    framing_lines = "".join(f"{name}: {value}\r\n" for name, value in announced.items()).encode()
    head = (
        f"HTTP/1.1 {status} {draw(reasons)}\r\n".encode()
        + draw(field_lines(fields))
        + framing_lines
        + b"\r\n"
    )
    wire = draw(informational()) + head + framed
    splits = sorted(draw(st.sets(st.integers(1, len(wire) - 1), max_size=12)))
    lower = {name.lower(): value for name, value in fields.items()}
    return Response(status, lower, body, wire, closes, tuple(splits))


class Both:
    """Our engine and httpx, and a server that plays the same response to each of them.

    Connections are reused from one example to the next, so that a response that is not read to its exact end breaks
    the next example.
    """

    def __init__(self, runner: asyncio.Runner):
        self._runner = runner
        self._response: Response | None = None
        self._runner.run(self._start())

    async def _start(self) -> None:
        self._open = AsyncExitStack()
        self._upstream = await self._open.enter_async_context(RawUpstream(self._answer))
        self._ours = create_transport(Upstream())
        self._open.push_async_callback(self._ours.aclose)
        self._reference = create_transport(Upstream(engine="httpx"))
        self._open.push_async_callback(self._reference.aclose)

    def close(self) -> None:
        self._runner.run(self._open.aclose())

    @property
    def accepted(self) -> int:
        """The number of connections so far."""
        return self._upstream.accepted

    async def _answer(self, connection: Connection) -> None:
        while await connection.request():
            assert self._response is not None
            await connection.send(*self._response.pieces())
            if self._response.closes:
                return

    def play(self, response: Response) -> tuple[tuple[int, dict[str, str], bytes], ...]:
        """Return what our engine and httpx read, in this order."""
        self._response = response
        names = tuple(response.headers)
        return (
            self._runner.run(self._read(self._ours, names)),
            self._runner.run(self._read(self._reference, names)),
        )

    async def _read(
        self, transport: HttpTransport, names: tuple[str, ...]
    ) -> tuple[int, dict[str, str], bytes]:
        request = UpstreamRequest(
            url=self._upstream.origin + "/v1/chat/completions", headers={}, content=b"{}"
        )
        async with asyncio.timeout(TIMEOUT):
            response = await transport.send(request, 5)
            body = b""
            try:
                while piece := await response.read():
                    body += piece
            finally:
                await response.aclose()
        return (
            response.status,
            {name: response.headers.get(name, "missing") for name in names},
            body,
        )


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    with asyncio.Runner() as runner:
        engines = Both(runner)
        yield engines
        engines.close()


def response_of(wire: bytes, status: int, body: bytes, closes: bool = False) -> Response:
    """A response in pieces of a byte each, whose headers are not compared."""
    return Response(status, {}, body, wire, closes, tuple(range(1, len(wire))))


def assert_same(both: Both, response: Response) -> None:
    expected = (response.status, response.headers, response.body)
    ours, reference = both.play(response)
    assert ours == expected
    assert reference == expected


LIMITS = settings(
    deadline=None,
    # The engines and the server are meant to be shared by all examples.
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


@LIMITS
@given(response=responses())
@example(response=response_of(b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nHi", 200, b"Hi"))
@example(response=response_of(b"HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n", 200, b""))
@example(response=response_of(b"HTTP/1.0 200 OK\r\n\r\nto the end", 200, b"to the end", True))
@example(response=response_of(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nHi", 200, b"Hi", True))
@example(
    response=response_of(b"HTTP/1.1 304 Not Modified\r\ncontent-length: 100\r\n\r\n", 304, b"")
)
@example(
    response=response_of(
        b"HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n", 304, b""
    )
)
@example(response=response_of(b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""))
@example(
    response=response_of(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 200, b""
    )
)
def test_our_engine_and_httpx_read_the_same(both: Both, response: Response) -> None:
    assert_same(both, response)


@pytest.mark.slow
@settings(LIMITS, max_examples=examples(3000))
@given(response=responses())
def test_our_engine_and_httpx_read_the_same_from_many_responses(
    both: Both, response: Response
) -> None:
    assert_same(both, response)


@pytest.mark.parametrize("framing", ["content-length", "chunked", "close"])
def test_a_response_can_be_split_at_every_byte(both: Both, framing: str) -> None:
    """Two pieces, for each position of the split."""
    bodies = {
        "content-length": b"content-length: 5\r\n\r\nHello",
        "chunked": b"transfer-encoding: chunked\r\n\r\n2;a=b\r\nHe\r\n3\r\nllo\r\n0\r\nx-trailer: t\r\n\r\n",
        "close": b"connection: close\r\n\r\nHello",
    }
    wire = (
        b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nx-a: b\r\n"
        + bodies[framing]
    )
    whole = Response(200, {"x-a": "b"}, b"Hello", wire, framing == "close")
    for position in range(1, len(wire)):
        assert_same(both, whole._replace(splits=(position,)))


def test_the_case_of_names_is_ignored(both: Both) -> None:
    wire = b"HTTP/1.1 200 OK\r\nRETRY-AFTER: 7\r\nContent-TYPE: text/plain\r\nCONTENT-length: 2\r\n\r\nHi"
    fields = {"retry-after": "7", "content-type": "text/plain"}
    assert_same(both, Response(200, fields, b"Hi", wire, closes=False))


def test_the_values_of_a_repeated_field_are_joined(both: Both) -> None:
    """RFC 9110, section 5.2."""
    wire = (
        b"HTTP/1.1 200 OK\r\nvary: origin\r\nx-a: 1\r\nVary: accept\r\ncontent-length: 2\r\n\r\nHi"
    )
    assert_same(
        both, Response(200, {"vary": "origin, accept", "x-a": "1"}, b"Hi", wire, closes=False)
    )


def test_both_reuse_connections_after_every_framing(both: Both) -> None:
    """The server would see a new connection for each response otherwise."""
    wires = (
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nHi",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nHi\r\n0\r\nx-t: 1\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nHi",
    )
    assert_same(both, Response(200, {}, b"Hi", wires[0], closes=False))
    before = both.accepted
    for wire in wires:
        assert_same(both, Response(200, {}, b"Hi", wire, closes=False))
    assert both.accepted == before
