"""HTTP transports: all of them behave the same, whatever the provider sends."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import random
import socket
import threading
import zlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from raw_upstream import Connection, RawUpstream

from llms_core.errors import ErrorKind, ProviderError, RequestError
from llms_core.provider import UpstreamRequest
from llms_core.secret import Secret
from llms_core.testing import (
    Body,
    Chunk,
    Close,
    Drip,
    Raw,
    Reply,
    Reset,
    ScriptedUpstream,
    Seen,
    Stall,
    Status,
    Wait,
    html,
    json_body,
    refused_base_url,
    text_body,
)
from llms_core.upstream.transport import HttpResponse, HttpTransport

if TYPE_CHECKING:
    from tests.core.upstream.conftest import Talk

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"
LARGE = random.Random(1).randbytes(25 * 2**20)


def to(
    upstream: ScriptedUpstream, content: bytes = b"{}", path: str = "/chat/completions"
) -> UpstreamRequest:
    headers = {"content-type": "application/json", "authorization": "Bearer k"}
    return UpstreamRequest(url=upstream.base_url + path, headers=headers, content=content)


async def rest(response: HttpResponse) -> bytes:
    """Read the rest of the body and release the response."""
    pieces = []
    try:
        while piece := await response.read():
            pieces.append(piece)
    finally:
        await response.aclose()
    return b"".join(pieces)


async def body_of(transport: HttpTransport, request: UpstreamRequest) -> bytes:
    return await rest(await transport.send(request, 5))


async def ask(
    transport: HttpTransport, upstream: ScriptedUpstream, content: bytes = b"{}"
) -> tuple[int, bytes]:
    response = await transport.send(to(upstream, content), 5)
    return response.status, await rest(response)


async def wait_until_closed(seen: Seen) -> None:
    """Wait until the upstream sees that the connection is closed, for at most a second."""
    await asyncio.to_thread(seen.wait_closed)


# Requests and responses


def test_method_path_headers_and_body_are_sent_unchanged(
    talk: Talk, upstream: ScriptedUpstream
) -> None:
    path = "/chat/completions?api-version=2024-05-01&name=a%2Fb%20c"

    async def work(transport: HttpTransport) -> None:
        await body_of(transport, to(upstream, b'{"model": "m"}', path))

    talk(work)
    seen = upstream.requests[0]
    assert (seen.method, seen.path, seen.body) == ("POST", "/v1" + path, b'{"model": "m"}')
    assert (seen.headers["content-type"], seen.headers["authorization"]) == (
        "application/json",
        "Bearer k",
    )


def test_no_other_headers_are_sent(talk: Talk, upstream: ScriptedUpstream) -> None:
    """No user agent. Accept-Encoding is sent because without it any coding would be acceptable."""
    talk(lambda transport: ask(transport, upstream))
    ours = {"content-type", "authorization"}
    allowed = {"host", "content-length", "connection", "accept-encoding"}
    assert upstream.requests[0].headers.keys() - ours <= allowed
    assert upstream.requests[0].headers["accept-encoding"] == "gzip"


def test_a_request_can_have_no_body(talk: Talk, upstream: ScriptedUpstream) -> None:
    """SR-118: `GET /models`, for discovery."""

    async def work(transport: HttpTransport) -> bytes:
        request = UpstreamRequest(method="GET", url=f"{upstream.base_url}/models", headers={})
        return await body_of(transport, request)

    assert b'"scripted"' in talk(work)
    assert (upstream.requests[0].method, upstream.requests[0].body) == ("GET", b"")


def test_status_headers_and_body_are_received(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.default = text_body("Slow down", 429, {"Retry-After": "7"})

    async def work(transport: HttpTransport) -> tuple[int, str, bytes]:
        response = await transport.send(to(upstream), 5)
        return response.status, response.headers["retry-after"], await rest(response)

    assert talk(work) == (429, "7", b"Slow down")


def test_a_missing_header_is_none(talk: Talk, upstream: ScriptedUpstream) -> None:
    async def work(transport: HttpTransport) -> str | None:
        response = await transport.send(to(upstream), 5)
        await response.aclose()
        return response.headers.get("retry-after")

    assert talk(work) is None


def test_each_chunk_can_be_read_before_the_next_is_sent(
    talk: Talk, upstream: ScriptedUpstream
) -> None:
    """SR-060: chunks are passed on as they arrive."""
    go = [threading.Event(), threading.Event()]
    chunks = Chunk(b"one"), Wait(go[0]), Chunk(b"two"), Wait(go[1]), Chunk(b"three")
    upstream.default = Reply(Status(200), *chunks)

    async def work(transport: HttpTransport) -> list[bytes]:
        response = await transport.send(to(upstream), 5)
        pieces = [await response.read()]
        for event in go:
            event.set()
            pieces.append(await response.read())
        pieces.append(await response.read())
        await response.aclose()
        return pieces

    assert talk(work) == [b"one", b"two", b"three", b""]


def test_the_head_can_be_read_before_the_body_is_sent(
    talk: Talk, upstream: ScriptedUpstream
) -> None:
    """SR-057: an error status is handled at once."""
    go = threading.Event()
    upstream.default = Reply(Status(200, {"content-length": "3"}), Wait(go), Body(b"abc"))

    async def work(transport: HttpTransport) -> bytes:
        response = await transport.send(to(upstream), 5)
        go.set()
        return await rest(response)

    assert talk(work) == b"abc"


def test_a_body_can_arrive_in_many_pieces(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.default = Reply(Status(200), Drip(b"0123456789" * 30, size=7))
    assert talk(lambda transport: ask(transport, upstream)) == (200, b"0123456789" * 30)


def test_a_body_can_end_with_the_connection(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.default = Reply(Status(200, {"connection": "close"}), Body(b"to the end"))
    assert talk(lambda transport: ask(transport, upstream)) == (200, b"to the end")


def test_a_response_can_have_no_body(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.default = Reply(Status(204))
    assert talk(lambda transport: ask(transport, upstream)) == (204, b"")


def test_early_hints_are_skipped(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.default = Reply(
        Raw(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"), text_body("Hi")
    )
    assert talk(lambda transport: ask(transport, upstream)) == (200, b"Hi")


def test_a_large_request_is_sent_completely(talk: Talk, upstream: ScriptedUpstream) -> None:
    """SR-029: larger than a client may send, because files may be inlined."""
    upstream.default = text_body("Hi")
    talk(lambda transport: ask(transport, upstream, LARGE))
    assert hashlib.sha256(upstream.requests[0].body).digest() == hashlib.sha256(LARGE).digest()


class Arriving:
    """An upload whose pieces are known, for a test."""

    content_type = "multipart/form-data; boundary=x"
    repeatable = True
    waits_for_client = False

    def __init__(
        self, *pieces: bytes, length: int | None = None, fault: Exception | None = None
    ) -> None:
        self.length = length
        self.sent = 0
        self._pieces = pieces
        self._fault = fault

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        for piece in self._pieces:
            await asyncio.sleep(0)
            self.sent += 1
            yield piece
        if self._fault is not None:
            raise self._fault


def upload_to(upstream: ScriptedUpstream, upload: Arriving) -> UpstreamRequest:
    return UpstreamRequest(
        url=upstream.base_url + "/audio/transcriptions", headers={}, upload=upload
    )


@pytest.mark.parametrize("pieces", [(), (b"one",), (b"one", b"", b"two" * 50_000, b"three")])
def test_an_upload_of_unknown_length_is_sent_in_chunks(
    talk: Talk, upstream: ScriptedUpstream, pieces: tuple[bytes, ...]
) -> None:
    upstream.default = text_body("ok")
    talk(lambda transport: body_of(transport, upload_to(upstream, Arriving(*pieces))))
    (seen,) = upstream.requests
    assert seen.body == b"".join(pieces)
    assert seen.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in seen.headers


def test_an_upload_of_known_length_is_announced(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.default = text_body("ok")
    talk(
        lambda transport: body_of(
            transport, upload_to(upstream, Arriving(b"one", b"two", length=6))
        )
    )
    (seen,) = upstream.requests
    assert seen.body == b"onetwo"
    assert seen.headers["content-length"] == "6"
    assert "transfer-encoding" not in seen.headers


def test_an_upload_that_breaks_is_never_complete_for_the_provider(
    talk: Talk, upstream: ScriptedUpstream
) -> None:
    """The provider must not take a part of a file for the whole: its request does not end, and the connection does."""
    fault = RequestError("the client's form is invalid")

    async def send(transport: HttpTransport) -> None:
        with pytest.raises(RequestError, match="form is invalid"):
            await transport.send(upload_to(upstream, Arriving(b"one", fault=fault)), 5)

    talk(send)
    assert upstream.requests == []


def test_an_upload_ends_when_the_provider_refuses_it(talk: Talk) -> None:
    upload = Arriving(*[bytes(64 * 1024)] * 1000)

    async def refuse(connection: Connection) -> None:
        await connection.request_head()
        await connection.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        await connection.wait_closed()

    async def send(transport: HttpTransport) -> tuple[int, bytes]:
        async with RawUpstream(refuse) as upstream:
            request = UpstreamRequest(url=upstream.origin, headers={}, upload=upload)
            response = await transport.send(request, 5)
            return response.status, await rest(response)

    assert talk(send) == (413, b"no")


def test_a_large_response_is_received_completely(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.default = Reply(Status(200), Body(LARGE))
    _, got = talk(lambda transport: ask(transport, upstream))
    assert hashlib.sha256(got).digest() == hashlib.sha256(LARGE).digest()


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_compressed_response_is_decompressed(
    talk: Talk, upstream: ScriptedUpstream, coding: str
) -> None:
    """Some providers compress although it was not requested."""
    packed = (
        gzip.compress(b"Hello! " * 1000) if coding == "gzip" else zlib.compress(b"Hello! " * 1000)
    )
    upstream.default = Reply(Status(200, {"content-encoding": coding}), Body(packed))
    assert talk(lambda transport: ask(transport, upstream)) == (200, b"Hello! " * 1000)


def test_a_compressed_stream_is_decompressed_as_it_arrives(
    talk: Talk, upstream: ScriptedUpstream
) -> None:
    """SR-060."""
    packer, go = zlib.compressobj(wbits=31), threading.Event()
    first = packer.compress(b"one") + packer.flush(zlib.Z_SYNC_FLUSH)
    second = packer.compress(b"two") + packer.flush()
    upstream.default = Reply(
        Status(200, {"content-encoding": "gzip"}), Chunk(first), Wait(go), Chunk(second)
    )

    async def work(transport: HttpTransport) -> list[bytes]:
        response = await transport.send(to(upstream), 5)
        pieces = [await response.read()]
        go.set()
        return [*pieces, await rest(response)]

    assert talk(work) == [b"one", b"two"]


# Failures

NO_HEAD: dict[str, Reply] = {
    "reset": Reply(Reset()),
    "closed": Reply(Close()),
    "reset in the head": Reply(Raw(HEAD), Reset()),
    "closed in the head": Reply(Raw(HEAD), Close()),
    "another protocol": Reply(Raw(b"SSH-2.0-OpenSSH_9.6\r\n"), Close()),
    "another protocol, and silence": Reply(Raw(b"220 mail.example ESMTP\r\n\r\n"), Stall()),
    "arbitrary bytes": Reply(Raw(bytes(range(256)) * 4), Close()),
    "an invalid status": Reply(Raw(b"HTTP/1.1 abc OK\r\n\r\n"), Close()),
    "a header without a name": Reply(Raw(b"HTTP/1.1 200 OK\r\n: x\r\n\r\n"), Close()),
    "an invalid length": Reply(Raw(b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n"), Close()),
    "an endless head": Reply(Raw(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000), Close()),
}


@pytest.mark.parametrize("fault", NO_HEAD)
def test_a_missing_or_invalid_head_is_a_network_error(
    talk: Talk, upstream: ScriptedUpstream, fault: str
) -> None:
    """SR-072."""
    upstream.default = NO_HEAD[fault]
    with pytest.raises(ProviderError) as caught:
        talk(lambda transport: transport.send(to(upstream), 5))
    assert caught.value.kind is ErrorKind.NETWORK


CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"

INCOMPLETE_BODY: dict[str, Reply] = {
    "reset after the head": Reply(Status(200), Reset()),
    "closed after the head": Reply(Status(200), Close()),
    "reset in the body": Reply(Status(200), Body(b"Hel"), Reset()),
    "closed in the body": Reply(Status(200), Body(b"Hel"), Close()),
    "reset between chunks": Reply(Status(200), Chunk(b"Hel"), Reset()),
    "closed between chunks": Reply(Status(200), Chunk(b"Hel"), Close()),
    "closed in a chunk": Reply(Raw(CHUNKED + b"5\r\nHel"), Close()),
    "closed before the final line": Reply(Raw(CHUNKED + b"3\r\nHel\r\n0\r\n"), Close()),
    "an invalid chunk size": Reply(Raw(CHUNKED + b"3\r\nHel\r\nzz\r\n"), Stall()),
    "not compressed as announced": Reply(
        Status(200, {"content-encoding": "gzip"}), Body(b"Hello!")
    ),
    "compressed and truncated": Reply(
        Status(200, {"content-encoding": "gzip"}), Body(gzip.compress(b"H" * 99)[:20]), Close()
    ),
}


@pytest.mark.parametrize("fault", INCOMPLETE_BODY)
def test_an_incomplete_body_is_a_network_error(
    talk: Talk, upstream: ScriptedUpstream, fault: str
) -> None:
    """SR-072."""
    upstream.default = INCOMPLETE_BODY[fault]
    with pytest.raises(ProviderError) as caught:
        talk(lambda transport: ask(transport, upstream))
    assert caught.value.kind is ErrorKind.NETWORK


def test_the_body_before_a_broken_connection_can_be_read(
    talk: Talk, upstream: ScriptedUpstream
) -> None:
    """SR-058: the client gets the beginning of the stream, and then the error."""
    go = threading.Event()
    upstream.default = Reply(Status(200), Chunk(b"Hel"), Wait(go), Reset())

    async def work(transport: HttpTransport) -> bytes:
        response = await transport.send(to(upstream), 5)
        piece = await response.read()
        go.set()
        with pytest.raises(ProviderError):
            await response.read()
        await response.aclose()
        return piece

    assert talk(work) == b"Hel"


def test_a_refused_connection_is_a_network_error(talk: Talk) -> None:
    """SR-072."""
    request = UpstreamRequest(url=refused_base_url(), headers={})
    with pytest.raises(ProviderError) as caught:
        talk(lambda transport: transport.send(request, 5))
    assert caught.value.kind is ErrorKind.NETWORK


@pytest.mark.parametrize(
    "url", ["http://[::1", "http://127.0.0.1:port/v1", "ftp://127.0.0.1/v1", "nonsense"]
)
def test_an_invalid_url_is_a_network_error(talk: Talk, url: str) -> None:
    """SR-072: a wrong `base_url` fails only its own provider."""
    with pytest.raises(ProviderError) as caught:
        talk(lambda transport: transport.send(UpstreamRequest(url=url, headers={}), 5))
    assert caught.value.kind is ErrorKind.NETWORK


def test_a_header_cannot_inject_another_header(talk: Talk, upstream: ScriptedUpstream) -> None:
    headers = {"x-key": "a\r\nx-other: b"}
    with pytest.raises(ProviderError):
        talk(
            lambda transport: transport.send(
                UpstreamRequest(url=upstream.base_url, headers=headers), 5
            )
        )
    assert upstream.requests == []


@pytest.fixture
def unresponsive() -> Iterator[str]:
    """Yield the URL of a port whose backlog is full: the kernel does not answer further connections."""
    with ExitStack() as sockets, socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        for _ in range(8):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"


def test_connecting_times_out(talk: Talk, unresponsive: str) -> None:
    """SR-072."""
    with pytest.raises(ProviderError) as caught:
        talk(lambda transport: transport.send(UpstreamRequest(url=unresponsive, headers={}), 0.2))
    assert (caught.value.kind, caught.value.message) == (
        ErrorKind.TIMEOUT,
        "No connection within 0.2 s",
    )


# Redirects and cookies


def test_redirects_are_not_followed(talk: Talk, upstream: ScriptedUpstream) -> None:
    """The provider's key would be sent to wherever they point."""
    upstream.default = html(307, {"location": f"{upstream.origin}/elsewhere"})
    status, _ = talk(lambda transport: ask(transport, upstream))
    assert (status, len(upstream.requests)) == (307, 1)


def test_cookies_are_not_kept(talk: Talk, upstream: ScriptedUpstream) -> None:
    """Requests of several clients share the transport."""
    upstream.default = json_body({}, headers={"set-cookie": "session=1; Path=/"})
    # Many clients ignore the cookies of IP addresses.
    by_name = upstream.base_url.replace("127.0.0.1", "localhost")

    async def work(transport: HttpTransport) -> None:
        await body_of(transport, UpstreamRequest(url=by_name, headers={}, content=b"{}"))
        await body_of(transport, UpstreamRequest(url=by_name, headers={}, content=b"{}"))

    talk(work)
    assert "cookie" not in upstream.requests[1].headers


# Connections

COMPLETE = {
    "a completion": json_body({"a": 1}),
    "an error": json_body({"a": 1}, 500),
    "a stream": Reply(Status(200), Chunk(b"one"), Chunk(b"two")),
    "a compressed response": Reply(
        Status(200, {"content-encoding": "gzip"}), Body(gzip.compress(b"H"))
    ),
    "no body": Reply(Status(204)),
}


@pytest.mark.parametrize("reply", COMPLETE)
def test_a_connection_is_reused_after_a_complete_response(
    talk: Talk, upstream: ScriptedUpstream, reply: str
) -> None:
    upstream.default = COMPLETE[reply]

    async def work(transport: HttpTransport) -> None:
        await ask(transport, upstream)
        await ask(transport, upstream)

    talk(work)
    assert [seen.connection for seen in upstream.requests] == [1, 1]


def test_a_connection_that_the_provider_closes_is_not_reused(
    talk: Talk, upstream: ScriptedUpstream
) -> None:
    upstream.default = json_body({}, headers={"connection": "close"})

    async def work(transport: HttpTransport) -> None:
        await ask(transport, upstream)
        await ask(transport, upstream)

    talk(work)
    assert [seen.connection for seen in upstream.requests] == [1, 2]


INCOMPLETE = {
    "before its body": Reply(Status(200), Stall()),
    "in its body": Reply(Status(200), Body(b"Hel"), Stall()),
    "in a stream": Reply(Status(200), Chunk(b"Hel"), Stall()),
}


@pytest.mark.parametrize("reply", INCOMPLETE)
def test_releasing_an_incomplete_response_closes_its_connection(
    talk: Talk, upstream: ScriptedUpstream, reply: str
) -> None:
    """SR-059: the provider notices, and the connection is not reused."""
    upstream.script(INCOMPLETE[reply])

    async def work(transport: HttpTransport) -> None:
        response = await transport.send(to(upstream), 5)
        if reply != "before its body":
            await response.read()
        await response.aclose()
        await wait_until_closed(upstream.requests[0])
        await ask(transport, upstream)

    talk(work)
    assert [seen.connection for seen in upstream.requests] == [1, 2]


def test_cancelling_a_request_closes_its_connection(talk: Talk, upstream: ScriptedUpstream) -> None:
    """SR-059: while it waits for the head."""
    upstream.default = Reply(Stall())

    async def work(transport: HttpTransport) -> None:
        task = asyncio.ensure_future(transport.send(to(upstream), 5))
        seen = await asyncio.to_thread(upstream.wait_for_request)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await wait_until_closed(seen)

    talk(work)


def test_a_response_can_be_released_after_a_cancelled_read(
    talk: Talk, upstream: ScriptedUpstream
) -> None:
    """SR-059: in mid-stream."""
    upstream.default = Reply(Status(200), Chunk(b"Hel"), Stall())

    async def work(transport: HttpTransport) -> None:
        response = await transport.send(to(upstream), 5)
        await response.read()
        reading = asyncio.ensure_future(response.read())
        await asyncio.wait([reading], timeout=0)
        reading.cancel()
        await asyncio.wait([reading])
        await response.aclose()
        await wait_until_closed(upstream.requests[0])

    talk(work)


@pytest.mark.slow
def test_many_concurrent_requests_do_not_wait_for_one_another(
    talk: Talk, upstream: ScriptedUpstream
) -> None:
    """No limit on connections: the server limits concurrent requests."""
    go, many = threading.Event(), 150
    upstream.default = Reply(Wait(go), text_body("Hi"))

    async def work(transport: HttpTransport) -> list[tuple[int, bytes]]:
        asking = [asyncio.ensure_future(ask(transport, upstream)) for _ in range(many)]
        await asyncio.to_thread(upstream.wait_for_request, many)
        go.set()
        return await asyncio.gather(*asking)

    assert talk(work) == [(200, b"Hi")] * many


# Proxies


def test_the_configured_proxy_is_used(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.default = text_body("Hi")
    request = UpstreamRequest(url="http://provider.example/v1/chat/completions", headers={})
    talk(lambda transport: body_of(transport, request), proxy=Secret(upstream.origin))
    assert upstream.requests[0].path == "http://provider.example/v1/chat/completions"


def test_the_proxy_of_the_environment_is_used(
    talk: Talk, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", upstream.origin)
    upstream.default = text_body("Hi")
    request = UpstreamRequest(url="http://provider.example/v1/chat/completions", headers={})
    talk(lambda transport: body_of(transport, request))
    assert upstream.requests[0].headers["host"] == "provider.example"
