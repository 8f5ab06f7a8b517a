"""How an answer is sent: its head together with the first piece of its body, without delaying either."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import uvicorn

from llms_core.server.protocol import BoundedProtocol

HEAD = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]}
BODY = {"type": "http.response.body", "body": b"Hello"}


@contextmanager
def asked(app: Any) -> Iterator[socket.socket]:
    """A connection with a request that the application has received."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            app, http=BoundedProtocol, lifespan="off", log_config=None, server_header=False, date_header=False
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            with closing(socket.create_connection(listening.getsockname(), timeout=10)) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
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


def test_a_head_is_sent_before_the_connection_is_closed() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"0"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    with asked(app) as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        assert connection.recv(1) == b""
