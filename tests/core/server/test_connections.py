"""Limits of connections, which hold without a key: their number, and the time without a request or without progress."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn

from llms_core.server import connections
from llms_core.server.connections import ConnectionCheck, ConnectionTimes
from llms_core.server.http1.protocol import Http1Protocol
from llms_core.server.protocol_h11 import BoundedH11Protocol

Connect = Callable[..., socket.socket]

GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"


@contextmanager
def serving(app: Any, http: Any) -> Iterator[Connect]:
    """A server of an application; yields a function that connects to it."""
    with ExitStack() as ending:
        listening = ending.enter_context(socket.create_server(("127.0.0.1", 0)))
        config = uvicorn.Config(
            app, http=http, lifespan="off", log_config=None, server_header=False, date_header=False
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        ending.callback(thread.join, 10)
        ending.callback(setattr, server, "should_exit", True)

        def connect(receive_buffer: int | None = None) -> socket.socket:
            connection = socket.socket()
            ending.callback(connection.close)
            if receive_buffer is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            connection.settimeout(10)
            connection.connect(listening.getsockname())
            return connection

        yield connect


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Answers at once, without reading a body."""
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]}
    )
    await send({"type": "http.response.body", "body": b"Hello"})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers once it has read the body."""
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        more = message["more_body"]
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", b"%d" % len(body))],
        }
    )
    await send({"type": "http.response.body", "body": body})


def rest_of(connection: socket.socket) -> bytes:
    """What still comes until the connection ends."""
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def ends_while_sending(connection: socket.socket, piece: bytes, times: int) -> bool:
    """Whether the server closes the connection because of what is sent, which never completes a request.

    All of it may fit into the buffers of the system before a busy server reads any.
    """
    try:
        for _ in range(times):
            connection.sendall(piece)
        rest_of(connection)
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


@pytest.fixture(autouse=True)
def frequent_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CHECK_INTERVAL", 0.02)


both = pytest.mark.parametrize(
    "http", [Http1Protocol, BoundedH11Protocol], ids=["httptools", "h11"]
)


# Connections without a request


@both
@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"GET / HT"],
        [GET],
        [GET, b"\r\n"],
        [GET, b"\r\n\r\n\r\n"],
        [b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n", b"x"],
        [CHUNKED, b"5\r\nabc"],
        [CHUNKED, b"5"],
        [CHUNKED + b"1\r\na\r\n0\r\n", b"x: y\r\n"],
        [GET, b"GET / HTTP/1.1\r\nho"],
        [b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close, upgrade\r\nupgrade: h2c\r\n\r\n", b"x"],
    ],
    ids=lambda pieces: b" | ".join(pieces).decode()[-40:] or "nothing",
)
def test_a_connection_without_a_request_is_closed(
    http: Any, pieces: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the client sends after its request was answered, or before it is complete."""
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.1)
    with serving(hello, http) as connect:
        connection = connect()
        for piece in pieces:
            connection.sendall(piece)
            if piece.startswith((b"GET / HTTP/1.1\r\nhost: x", b"POST")):
                assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        # h11 does not ignore empty lines between requests.
        assert rest_of(connection)[:12] in (b"", b"HTTP/1.1 400")


@both
def test_a_connection_with_short_requests_stays_open(
    http: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if each of them begins and ends between two checks."""
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.3)
    with serving(hello, http) as connect:
        connection = connect()
        for _ in range(10):
            connection.sendall(GET)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            threading.Event().wait(0.05)


# The number of connections


@both
def test_a_connection_too_many_is_refused(
    http: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With a 503 in OpenAI's format. Logged once, however many there are, and accepted again when there is room."""
    monkeypatch.setattr(http, "max_connections", 2)
    with serving(hello, http) as connect, caplog.at_level(logging.ERROR, connections.__name__):
        first, second = connect(), connect()
        for connection in (first, second):
            connection.sendall(GET)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        for _ in range(3):
            refused = rest_of(connect())
            assert refused.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            assert b"\r\nretry-after: 1\r\n" in refused
            assert b"\r\nx-should-retry: true\r\n" in refused
            assert b'"error":{' in refused.replace(b" ", b"")
        first.close()
        while not (answer := _try(connect)).startswith(b"HTTP/1.1 200"):
            assert answer.startswith(b"HTTP/1.1 503") or not answer
    (record,) = [record for record in caplog.records if record.name == connections.__name__]
    assert "max_connections" in record.getMessage()


def _try(connect: Connect) -> bytes:
    with connect() as connection:
        try:
            connection.sendall(GET)
            return connection.recv(65536)
        except ConnectionError:
            return b""


# Clients that read nothing


LARGE = 8 * 2**20


async def large(scope: Any, receive: Any, send: Any) -> None:
    """A whole answer that no socket's buffer holds."""
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", b"%d" % LARGE)],
        }
    )
    await send({"type": "http.response.body", "body": b"x" * LARGE})


async def endless(scope: Any, receive: Any, send: Any) -> None:
    """A stream that ends with its client."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    watching = asyncio.ensure_future(receive())
    while not (watching.done() and watching.result()["type"] == "http.disconnect"):
        await send({"type": "http.response.body", "body": b"x" * 10_000, "more_body": True})
        await asyncio.sleep(0)
        if watching.done() and watching.result()["type"] == "http.request":
            watching = asyncio.ensure_future(receive())


@both
@pytest.mark.parametrize("app", [large, endless])
@pytest.mark.parametrize("requests", [1, 3], ids=["one request", "pipelined requests"])
def test_a_client_that_reads_nothing_is_disconnected(
    http: Any, app: Any, requests: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`[server] write_timeout`: what is left of the answer is dropped, and the application learns about it."""
    monkeypatch.setattr(http, "write_timeout", 0.2)
    ended = threading.Semaphore(0)

    async def observed(scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
            # After a whole answer, too, whether it was read or not.
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            ended.release()

    with serving(observed, http) as connect:
        connection = connect(4096)
        connection.sendall(GET * requests)
        assert ended.acquire(timeout=10)
        # Only what the buffers of both sockets hold arrives.
        connection.settimeout(10)
        threading.Event().wait(0.5)
        assert len(rest_of(connection)) < LARGE


class Loop:
    """An event loop whose time is set by the test."""

    def __init__(self) -> None:
        self.now = 0.0
        self.check: Callable[[], None] = lambda: None

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, check: Callable[[], None]) -> None:
        self.check = check

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.check()


class Client:
    """A connection as the check sees it, with an answer that is being sent."""

    write_timeout = 60.0

    def __init__(self) -> None:
        self.ended = ""
        self.left = 0
        self.times = ConnectionTimes(0.0)
        self.cycle = SimpleNamespace(response_complete=False)
        self.transport = SimpleNamespace(
            accepted=0,
            unsent=lambda: self.left,
            abort=lambda: self.end("aborted"),
            close=lambda: self.end("closed"),
            is_closing=lambda: bool(self.ended),
        )

    def end(self, how: str) -> None:
        self.ended = how

    def write(self, size: int) -> None:
        self.transport.accepted += size
        self.left += size

    def read(self, size: int) -> None:
        self.left -= size


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def client(loop: Loop) -> Client:
    client = Client()
    assert ConnectionCheck({client}, loop).admit(1)  # type: ignore[arg-type]
    return client


def test_a_slow_but_steady_reader_gets_its_whole_answer(loop: Loop, client: Client) -> None:
    """`[server] write_timeout` is measured by progress: here for two hours, a byte every 50 seconds."""
    client.write(1000)
    for _ in range(144):
        loop.advance(50)
        client.read(1)
        loop.advance(1)
    assert client.ended == ""


def test_a_reader_as_slow_as_its_stream_is_steady(loop: Loop, client: Client) -> None:
    """What is unsent never becomes less."""
    client.write(1000)
    for _ in range(100):
        loop.advance(30)
        client.write(11)
        client.read(10)
    assert client.ended == ""


def test_a_stream_that_goes_on_does_not_hide_that_nothing_is_read(
    loop: Loop, client: Client
) -> None:
    client.write(1000)
    for _ in range(61):
        loop.advance(1)
        client.write(10)
    loop.advance(1)
    assert client.ended == "aborted"


def test_a_pause_of_the_stream_is_no_stall(loop: Loop, client: Client) -> None:
    """There is nothing to read."""
    client.write(1000)
    loop.advance(50)
    client.read(1000)
    loop.advance(300)
    client.write(1000)
    loop.advance(1)
    loop.advance(58)
    assert client.ended == ""
    loop.advance(1)
    assert client.ended == "aborted"


def test_an_answer_that_is_written_but_not_read_is_aborted(loop: Loop, client: Client) -> None:
    """Closing the connection would wait for the client."""
    client.write(1000)
    client.cycle.response_complete = True
    client.ended = "closed"
    for _ in range(62):
        loop.advance(1)
    assert client.ended == "aborted"


# What comes beside the body


def test_trailers_are_limited() -> None:
    """Before and after the answer."""
    line = b"X: y\r\n"
    for app in (hello, echo):
        with serving(app, Http1Protocol) as connect:
            connection = connect()
            connection.sendall(CHUNKED + b"1\r\na\r\n0\r\n")
            assert ends_while_sending(connection, line * 5000, 200), (
                "6 MB of trailers were accepted"
            )


def test_a_trailer_and_the_size_of_a_chunk_have_no_endless_line() -> None:
    """The parser collects a trailer before it shows it."""
    for start in (b"1\r\na\r\n0\r\nx: ", b"1;"):
        with serving(echo, Http1Protocol) as connect:
            connection = connect()
            connection.sendall(CHUNKED + start)
            assert ends_while_sending(connection, b"x" * 50_000, 100), (
                "5 MB in one line were accepted"
            )


@both
def test_a_chunked_body_with_trailers_is_read(http: Any) -> None:
    """In pieces of any size; the trailers are ignored, and the next request is served."""
    request = CHUNKED + b"1\r\na\r\n" * 3000 + b"0\r\nx: y\r\nexpect: 100-continue\r\n\r\n"
    with serving(echo, http) as connect:
        connection = connect()
        for _ in range(2):
            for start in range(0, len(request), 700):
                connection.sendall(request[start : start + 700])
            received = b""
            while not received.endswith(b"a" * 3000):
                received += connection.recv(65536)
            assert received.startswith(b"HTTP/1.1 200 OK\r\n")


def test_each_head_is_measured_without_the_body_before_it() -> None:
    """The rest of a body and a part of the next head may arrive together."""
    size = 4 * Http1Protocol.max_head_bytes
    post = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size
    with serving(hello, Http1Protocol) as connect:
        connection = connect()
        received = b""
        connection.sendall(post + GET[:-2])
        while received.count(b"Hello") < 1:
            received += connection.recv(65536)
        connection.sendall(GET[-2:])
        while received.count(b"Hello") < 2:
            received += connection.recv(65536)
        assert b" 431 " not in received


# Offers of another protocol, and requests that are sent ahead

OFFER = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMA\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close, Upgrade\r\nupgrade: h2c\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nconnection: close\r\nupgrade: websocket\r\n\r\n",
        b"GET / HTTP/1.0\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n",
    ],
)
@both
def test_an_offer_on_a_connection_that_ends_is_answered(http: Any, head: bytes) -> None:
    with serving(hello, http) as connect:
        connection = connect()
        connection.sendall(head)
        assert rest_of(connection).endswith(b"Hello")


def test_offers_that_are_sent_together_are_answered() -> None:
    """With their bodies, and with requests that offer nothing in between."""
    post = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n"
    together = b"".join(
        post + (OFFER if number % 3 else b"\r\n") + b"%03d" % number for number in range(30)
    )
    with serving(echo, Http1Protocol) as connect:
        connection = connect()
        connection.sendall(together)
        received = b""
        while not received.endswith(b"029"):
            received += connection.recv(65536)
        assert received.count(b"HTTP/1.1 200 OK\r\n") == 30


@pytest.mark.parametrize("end", [b"\r\n", OFFER], ids=["plain", "with an offer"])
def test_requests_that_are_sent_ahead_are_limited(
    end: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A thousand requests fit into one packet, and each takes a hundred times its size. The first ones are answered."""
    with serving(hello, Http1Protocol) as connect, caplog.at_level(logging.WARNING):
        connection = connect()
        connection.sendall((b"GET / HTTP/1.1\r\nhost: x\r\n" + end) * 3000)
        received = rest_of(connection)
    assert 64 <= received.count(b"HTTP/1.1 200 OK\r\n") < 3000
    assert not [
        record for record in caplog.records if record.name.startswith(("uvicorn", "asyncio"))
    ]


def test_an_invalid_request_does_not_spoil_the_answer_to_an_earlier_one() -> None:
    """A 400 that is sent first would be taken for it."""
    go = threading.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.to_thread(go.wait, 10)
        await hello(scope, receive, send)

    with serving(slow, Http1Protocol) as connect:
        connection = connect()
        connection.sendall(GET + b"no request\r\n\r\n")
        threading.Event().wait(0.1)
        go.set()
        received = rest_of(connection)
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"Hello")
