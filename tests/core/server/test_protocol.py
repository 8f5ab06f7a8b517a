"""How an answer is sent: its head together with the first piece of its body, without delaying either."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from llms_core.server import connections, protocol_h11
from llms_core.server.http1.protocol import Http1Protocol
from llms_core.testing import ScriptedUpstream
from llms_core.write_batch import shared_write_batch
from tests.conftest import Launch, ProviderBlock

HEAD = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]}
BODY = {"type": "http.response.body", "body": b"Hello"}


@contextmanager
def asked(
    app: Any,
    http: Any = Http1Protocol,
    request: bytes = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
) -> Iterator[socket.socket]:
    """A connection on which an application has been asked for an answer."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            app, http=http, lifespan="off", log_config=None, server_header=False, date_header=False
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            with closing(
                socket.create_connection(listening.getsockname(), timeout=10)
            ) as connection:
                connection.sendall(request)
                yield connection
        finally:
            server.should_exit = True
            thread.join(10)


def test_a_head_and_its_body_are_one_packet() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(HEAD)
        await send(BODY)

    with asked(app) as connection:
        assert connection.recv(65536) == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nHello"


def test_a_head_does_not_wait_for_a_missing_body() -> None:
    go = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(HEAD)
        await asyncio.to_thread(go.wait, 10)
        await send(BODY)

    with asked(app) as connection:
        assert connection.recv(65536).endswith(b"\r\n\r\n")
        go.set()
        assert connection.recv(65536) == b"Hello"


def test_what_the_only_request_writes_is_sent_at_once() -> None:
    """There is nothing that could be sent together with it."""
    received = threading.Event()
    arrived: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(HEAD)
        await send(BODY | {"body": b"Hel", "more_body": True})
        # The event loop stands still meanwhile, and sends nothing.
        arrived.append(received.wait(10))
        await send(BODY | {"body": b"lo"})

    with asked(app) as connection:
        assert connection.recv(65536) == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nHel"
        received.set()
        assert connection.recv(65536) == b"lo"
    assert arrived == [True]


def test_what_several_requests_write_is_sent_together() -> None:
    """The first packet wakes its receiver, and what follows at once finds it awake."""
    together: list[bytes] = []

    class Recorded(asyncio.Transport):
        def write(self, data: Any) -> None:
            together.append(data)

        def is_closing(self) -> bool:
            return False

        def get_write_buffer_size(self) -> int:
            return 0

    async def work() -> None:
        batch = shared_write_batch(asyncio.get_running_loop())
        batch.requests = 2
        first, second = (connections.BufferedTransport(Recorded(), batch.loop) for _ in range(2))
        first.write(b"head, ")
        first.write_body(b"body")
        second.write_body(b"of another")
        assert together == []
        await asyncio.sleep(0)
        assert together == [b"head, body", b"of another"]

    asyncio.run(work())


def test_a_head_is_sent_before_the_connection_is_closed() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"0"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    with asked(app) as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        assert connection.recv(1) == b""


# Clients of HTTP/1.0


def read_to_the_end(connection: socket.socket) -> tuple[bytes, bytes]:
    """The head and the body of an answer that ends with the connection."""
    received = b""
    while data := connection.recv(65536):
        received += data
    head, _, body = received.partition(b"\r\n\r\n")
    return head.lower(), body


@pytest.mark.parametrize("http", [Http1Protocol, protocol_h11.BoundedH11Protocol])
@pytest.mark.parametrize(
    "connection_header", [b"", b"connection: keep-alive\r\n", b"connection: close\r\n"]
)
@pytest.mark.parametrize(
    "pieces",
    [[b"Hello"], [b"a", b"", b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b"\xff" * 100_000], [b""]],
)
def test_http_1_0_gets_a_body_that_ends_with_the_connection(
    http: Any, connection_header: bytes, pieces: list[bytes]
) -> None:
    """RFC 9112, 6.1: a server must not send chunks to a client that does not speak HTTP/1.1."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["http_version"] == "1.0"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    with asked(app, http, b"GET / HTTP/1.0\r\n" + connection_header + b"\r\n") as connection:
        head, body = read_to_the_end(connection)
    assert body == b"".join(pieces)
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head


@pytest.mark.parametrize("http", [Http1Protocol, protocol_h11.BoundedH11Protocol])
def test_http_1_0_gets_a_body_of_a_known_length_unchanged(http: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({**HEAD, "headers": [(b"content-length", b"30")]})
        await send({**BODY, "body": b"transfer-encoding: chunked\r\n..", "more_body": False})

    request = b"POST / HTTP/1.0\r\nexpect: 100-continue\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\n{}"
    with asked(app, http, request) as connection:
        head, body = read_to_the_end(connection)
    assert head.startswith(b"http/1.1 200 ok"), "a client of HTTP/1.0 does not know interim answers"
    assert body == b"transfer-encoding: chunked\r\n.."
    assert b"connection: close" in head


def test_uvicorn_has_the_attributes_that_the_h11_protocol_uses() -> None:
    """They are private: a release of uvicorn that changes one fails here, and not in production."""

    async def attributes() -> set[str]:
        async def app(scope: Any, receive: Any, send: Any) -> None: ...

        protocol = H11Protocol(
            uvicorn.Config(app, http=H11Protocol, log_config=None), ServerState(), {}
        )
        return {name for name in dir(protocol) if not name.startswith("__")}

    used = {
        *("loop", "transport", "cycle", "connections", "server_state", "conn"),
        *(
            "connection_made",
            "connection_lost",
            "data_received",
            "send_400_response",
            "_should_upgrade",
        ),
    }
    assert used <= asyncio.run(attributes())


# Without httptools, as on Windows

BLOCKED = "import sys\nsys.modules['httptools'] = sys.modules['uvloop'] = None\n"


def without(packages: str, tmp_path: Path) -> dict[str, str]:
    """The environment of a Python that cannot import these packages."""
    (tmp_path / "sitecustomize.py").write_text(packages, "utf-8")
    return {"PYTHONPATH": str(tmp_path)}


def test_the_server_runs_without_httptools_and_uvloop(
    gateway: Launch, upstream: ScriptedUpstream, provider: ProviderBlock, tmp_path: Path
) -> None:
    """SR-001: whole and streamed; a head that is too large is refused."""
    environment = without(BLOCKED, tmp_path)
    running = gateway({"providers": {"first": provider(upstream)}}, env=environment)
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    with httpx.Client(base_url=running.origin, trust_env=False, timeout=20) as client:
        assert client.post("/v1/chat/completions", json=body).status_code == 200
        streamed = client.post("/v1/chat/completions", json={**body, "stream": True})
        assert streamed.text.endswith("data: [DONE]\n\n")
        refused = client.get("/health", headers={"x-large": "x" * 100_000})
        assert (refused.status_code, refused.json()["error"]["type"]) == (
            431,
            "invalid_request_error",
        )


def test_without_httptools_a_head_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.1)
    monkeypatch.setattr(connections, "CHECK_INTERVAL", 0.02)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(HEAD)
        await send(BODY)

    with asked(app, protocol_h11.BoundedH11Protocol) as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        connection.sendall(b"GET / HTTP/1.1\r\nhost:")
        while connection.recv(65536):
            pass  # the first answer's body, and then the end of the connection


def test_without_httptools_a_refused_body_is_no_head() -> None:
    """SR-029: a client may go on sending a body that was refused; the connection serves its next request."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(HEAD)
        await send(BODY)

    def answer(connection: socket.socket) -> bytes:
        received = b""
        while not received.endswith(b"Hello"):
            piece = connection.recv(65536)
            assert piece
            received += piece
        return received

    size = 3 * protocol_h11.BoundedH11Protocol.max_head_bytes
    with asked(app, protocol_h11.BoundedH11Protocol) as connection:
        answer(connection)
        connection.sendall(
            b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % size
        )
        assert answer(connection).startswith(b"HTTP/1.1 200 OK\r\n")
        connection.sendall(b"x" * size)
        connection.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert answer(connection).startswith(b"HTTP/1.1 200 OK\r\n")
