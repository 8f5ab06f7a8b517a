"""The seam to the HTTP clients: whatever the wire does, each engine says it in the same way."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import random
import socket
import threading
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from llms_core.errors import ErrorKind, ProviderError
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
from llms_core.upstream.transport import Answer, Engine

if TYPE_CHECKING:
    from tests.core.upstream.conftest import Talk

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"
LARGE = random.Random(1).randbytes(25 * 2**20)


def to(upstream: ScriptedUpstream, content: bytes = b"{}", path: str = "/chat/completions") -> UpstreamRequest:
    headers = {"content-type": "application/json", "authorization": "Bearer k"}
    return UpstreamRequest(url=upstream.base_url + path, headers=headers, content=content)


async def rest(answer: Answer) -> bytes:
    """The pieces of the body that are still to come, together; the answer is let go."""
    pieces = []
    try:
        while piece := await answer.read():
            pieces.append(piece)
    finally:
        await answer.aclose()
    return b"".join(pieces)


async def passed(engine: Engine, request: UpstreamRequest) -> bytes:
    return await rest(await engine.send(request, 5))


async def ask(engine: Engine, upstream: ScriptedUpstream, content: bytes = b"{}") -> tuple[int, bytes]:
    answer = await engine.send(to(upstream, content), 5)
    return answer.status, await rest(answer)


async def closed(seen: Seen) -> None:
    """The upstream sees within a second that the connection is closed."""
    await asyncio.to_thread(seen.wait_closed, 1)


# What is sent, and what is got


def test_method_path_headers_and_body_are_sent_as_they_are(talk: Talk, upstream: ScriptedUpstream) -> None:
    path = "/chat/completions?api-version=2024-05-01&name=a%2Fb%20c"

    async def work(engine: Engine) -> None:
        await passed(engine, to(upstream, b'{"model": "m"}', path))

    talk(work)
    seen = upstream.requests[0]
    assert (seen.method, seen.path, seen.body) == ("POST", "/v1" + path, b'{"model": "m"}')
    assert (seen.headers["content-type"], seen.headers["authorization"]) == ("application/json", "Bearer k")


def test_nothing_is_sent_that_was_not_asked_for(talk: Talk, upstream: ScriptedUpstream) -> None:
    """Neither what kind of client this is, nor that it takes compressed answers, which it would have to wait for."""
    talk(lambda engine: ask(engine, upstream))
    ours = {"content-type", "authorization"}
    assert upstream.requests[0].headers.keys() - ours <= {"host", "content-length", "connection"}


def test_a_question_without_a_body_is_asked(talk: Talk, upstream: ScriptedUpstream) -> None:
    """SR-118: `GET /models`, as discovery asks."""

    async def work(engine: Engine) -> bytes:
        request = UpstreamRequest(method="GET", url=f"{upstream.base_url}/models", headers={})
        return await passed(engine, request)

    assert b'"scripted"' in talk(work)
    assert (upstream.requests[0].method, upstream.requests[0].body) == ("GET", b"")


def test_status_headers_and_body_are_got(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.default = text_body("Slow down", 429, {"Retry-After": "7"})

    async def work(engine: Engine) -> tuple[int, str, bytes]:
        answer = await engine.send(to(upstream), 5)
        return answer.status, answer.headers["retry-after"], await rest(answer)

    assert talk(work) == (429, "7", b"Slow down")


def test_a_header_that_is_not_there_is_none(talk: Talk, upstream: ScriptedUpstream) -> None:
    async def work(engine: Engine) -> str | None:
        answer = await engine.send(to(upstream), 5)
        await answer.aclose()
        return answer.headers.get("retry-after")

    assert talk(work) is None


def test_each_chunk_can_be_read_before_the_next_is_sent(talk: Talk, upstream: ScriptedUpstream) -> None:
    """SR-060: chunks are handed on as they come."""
    go = [threading.Event(), threading.Event()]
    chunks = Chunk(b"one"), Wait(go[0]), Chunk(b"two"), Wait(go[1]), Chunk(b"three")
    upstream.default = Reply(Status(200), *chunks)

    async def work(engine: Engine) -> list[bytes]:
        answer = await engine.send(to(upstream), 5)
        pieces = [await answer.read()]
        for event in go:
            event.set()
            pieces.append(await answer.read())
        pieces.append(await answer.read())
        await answer.aclose()
        return pieces

    assert talk(work) == [b"one", b"two", b"three", b""]


def test_the_head_is_got_before_the_body_is_sent(talk: Talk, upstream: ScriptedUpstream) -> None:
    """SR-057: a status can be acted upon at once."""
    go = threading.Event()
    upstream.default = Reply(Status(200, {"content-length": "3"}), Wait(go), Body(b"abc"))

    async def work(engine: Engine) -> bytes:
        answer = await engine.send(to(upstream), 5)
        go.set()
        return await rest(answer)

    assert talk(work) == b"abc"


def test_a_body_in_many_writes_is_put_together(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.default = Reply(Status(200), Drip(b"0123456789" * 30, size=7))
    assert talk(lambda engine: ask(engine, upstream)) == (200, b"0123456789" * 30)


def test_a_body_may_end_with_the_connection(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.default = Reply(Status(200, {"connection": "close"}), Body(b"to the end"))
    assert talk(lambda engine: ask(engine, upstream)) == (200, b"to the end")


def test_an_answer_without_a_body_is_read(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.default = Reply(Status(204))
    assert talk(lambda engine: ask(engine, upstream)) == (204, b"")


def test_early_hints_are_not_the_answer(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.default = Reply(Raw(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"), text_body("Hi"))
    assert talk(lambda engine: ask(engine, upstream)) == (200, b"Hi")


def test_a_large_request_arrives_whole(talk: Talk, upstream: ScriptedUpstream) -> None:
    """SR-029: more than a client may send, because adapters may inline what it refers to."""
    upstream.default = text_body("Hi")
    talk(lambda engine: ask(engine, upstream, LARGE))
    assert hashlib.sha256(upstream.requests[0].body).digest() == hashlib.sha256(LARGE).digest()


def test_a_large_answer_arrives_whole(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.default = Reply(Status(200), Body(LARGE))
    _, got = talk(lambda engine: ask(engine, upstream))
    assert hashlib.sha256(got).digest() == hashlib.sha256(LARGE).digest()


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_compressed_answer_is_read_plain(talk: Talk, upstream: ScriptedUpstream, coding: str) -> None:
    """Some providers compress without being asked."""
    packed = gzip.compress(b"Hello! " * 1000) if coding == "gzip" else zlib.compress(b"Hello! " * 1000)
    upstream.default = Reply(Status(200, {"content-encoding": coding}), Body(packed))
    assert talk(lambda engine: ask(engine, upstream)) == (200, b"Hello! " * 1000)


def test_a_compressed_stream_is_read_plain_as_it_comes(talk: Talk, upstream: ScriptedUpstream) -> None:
    """SR-060."""
    packer, go = zlib.compressobj(wbits=31), threading.Event()
    first = packer.compress(b"one") + packer.flush(zlib.Z_SYNC_FLUSH)
    second = packer.compress(b"two") + packer.flush()
    upstream.default = Reply(Status(200, {"content-encoding": "gzip"}), Chunk(first), Wait(go), Chunk(second))

    async def work(engine: Engine) -> list[bytes]:
        answer = await engine.send(to(upstream), 5)
        pieces = [await answer.read()]
        go.set()
        return [*pieces, await rest(answer)]

    assert talk(work) == [b"one", b"two"]


# What fails

NO_ANSWER: dict[str, Reply] = {
    "reset": Reply(Reset()),
    "closed": Reply(Close()),
    "reset in the head": Reply(Raw(HEAD), Reset()),
    "closed in the head": Reply(Raw(HEAD), Close()),
    "another protocol": Reply(Raw(b"SSH-2.0-OpenSSH_9.6\r\n"), Close()),
    "another protocol, and silence": Reply(Raw(b"220 mail.example ESMTP\r\n\r\n"), Stall()),
    "bytes": Reply(Raw(bytes(range(256)) * 4), Close()),
    "a status that is none": Reply(Raw(b"HTTP/1.1 abc OK\r\n\r\n"), Close()),
    "a header without a name": Reply(Raw(b"HTTP/1.1 200 OK\r\n: x\r\n\r\n"), Close()),
    "a length that is none": Reply(Raw(b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n"), Close()),
    "a head without end": Reply(Raw(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000), Close()),
}


@pytest.mark.parametrize("fault", NO_ANSWER)
def test_where_no_head_comes_it_is_the_network(talk: Talk, upstream: ScriptedUpstream, fault: str) -> None:
    """SR-072: reset, broken off, or no HTTP at all."""
    upstream.default = NO_ANSWER[fault]
    with pytest.raises(ProviderError) as caught:
        talk(lambda engine: engine.send(to(upstream), 5))
    assert caught.value.kind is ErrorKind.NETWORK


CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"

NO_BODY: dict[str, Reply] = {
    "reset after the head": Reply(Status(200), Reset()),
    "closed after the head": Reply(Status(200), Close()),
    "reset in the body": Reply(Status(200), Body(b"Hel"), Reset()),
    "closed in the body": Reply(Status(200), Body(b"Hel"), Close()),
    "reset between chunks": Reply(Status(200), Chunk(b"Hel"), Reset()),
    "closed between chunks": Reply(Status(200), Chunk(b"Hel"), Close()),
    "closed in a chunk": Reply(Raw(CHUNKED + b"5\r\nHel"), Close()),
    "closed before the last line": Reply(Raw(CHUNKED + b"3\r\nHel\r\n0\r\n"), Close()),
    "a chunk's size that is none": Reply(Raw(CHUNKED + b"3\r\nHel\r\nzz\r\n"), Stall()),
    "compressed, says a lie": Reply(Status(200, {"content-encoding": "gzip"}), Body(b"Hello!")),
    "compressed, and cut": Reply(
        Status(200, {"content-encoding": "gzip"}), Body(gzip.compress(b"H" * 99)[:20]), Close()
    ),
}


@pytest.mark.parametrize("fault", NO_BODY)
def test_where_the_body_breaks_off_it_is_the_network(talk: Talk, upstream: ScriptedUpstream, fault: str) -> None:
    """SR-072: what was announced does not come."""
    upstream.default = NO_BODY[fault]
    with pytest.raises(ProviderError) as caught:
        talk(lambda engine: ask(engine, upstream))
    assert caught.value.kind is ErrorKind.NETWORK


def test_what_came_before_the_break_is_got(talk: Talk, upstream: ScriptedUpstream) -> None:
    """SR-058: the client gets the beginning of a stream, and then the error."""
    go = threading.Event()
    upstream.default = Reply(Status(200), Chunk(b"Hel"), Wait(go), Reset())

    async def work(engine: Engine) -> bytes:
        answer = await engine.send(to(upstream), 5)
        piece = await answer.read()
        go.set()
        with pytest.raises(ProviderError):
            await answer.read()
        await answer.aclose()
        return piece

    assert talk(work) == b"Hel"


def test_a_refused_connection_is_the_network(talk: Talk) -> None:
    """SR-072."""
    request = UpstreamRequest(url=refused_base_url(), headers={})
    with pytest.raises(ProviderError) as caught:
        talk(lambda engine: engine.send(request, 5))
    assert caught.value.kind is ErrorKind.NETWORK


@pytest.mark.parametrize("url", ["http://[::1", "http://127.0.0.1:port/v1", "ftp://127.0.0.1/v1", "nonsense"])
def test_an_address_that_is_none_is_the_network(talk: Talk, url: str) -> None:
    """SR-072: a mistyped `base_url` fails its own provider alone."""
    with pytest.raises(ProviderError) as caught:
        talk(lambda engine: engine.send(UpstreamRequest(url=url, headers={}), 5))
    assert caught.value.kind is ErrorKind.NETWORK


def test_a_header_cannot_smuggle_in_another(talk: Talk, upstream: ScriptedUpstream) -> None:
    headers = {"x-key": "a\r\nx-other: b"}
    with pytest.raises(ProviderError):
        talk(lambda engine: engine.send(UpstreamRequest(url=upstream.base_url, headers=headers), 5))
    assert upstream.requests == []


@pytest.fixture
def deaf() -> Iterator[str]:
    """The URL of a port whose queue of connections is full: the kernel leaves further ones without an answer."""
    with ExitStack() as sockets, socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        for _ in range(8):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"


def test_connecting_has_a_limit(talk: Talk, deaf: str) -> None:
    """SR-072: a time-out."""
    with pytest.raises(ProviderError) as caught:
        talk(lambda engine: engine.send(UpstreamRequest(url=deaf, headers={}), 0.2))
    assert (caught.value.kind, caught.value.message) == (ErrorKind.TIMEOUT, "No connection within 0.2 s")


# What is left alone


def test_redirects_are_not_followed(talk: Talk, upstream: ScriptedUpstream) -> None:
    """A provider's key would go along to wherever it points."""
    upstream.default = html(307, {"location": f"{upstream.origin}/elsewhere"})
    status, _ = talk(lambda engine: ask(engine, upstream))
    assert (status, len(upstream.requests)) == (307, 1)


def test_no_cookies_are_kept(talk: Talk, upstream: ScriptedUpstream) -> None:
    """Requests of several clients share the engine."""
    upstream.default = json_body({}, headers={"set-cookie": "session=1; Path=/"})
    by_name = upstream.base_url.replace("127.0.0.1", "localhost")  # cookies of mere addresses are often refused

    async def work(engine: Engine) -> None:
        await passed(engine, UpstreamRequest(url=by_name, headers={}, content=b"{}"))
        await passed(engine, UpstreamRequest(url=by_name, headers={}, content=b"{}"))

    talk(work)
    assert "cookie" not in upstream.requests[1].headers


# Connections

READ_TO_THE_END = {
    "a whole answer": json_body({"a": 1}),
    "an error": json_body({"a": 1}, 500),
    "a stream": Reply(Status(200), Chunk(b"one"), Chunk(b"two")),
    "a compressed answer": Reply(Status(200, {"content-encoding": "gzip"}), Body(gzip.compress(b"H"))),
    "no body": Reply(Status(204)),
}


@pytest.mark.parametrize("reply", READ_TO_THE_END)
def test_a_connection_is_used_again_after_an_answer_read_to_its_end(
    talk: Talk, upstream: ScriptedUpstream, reply: str
) -> None:
    upstream.default = READ_TO_THE_END[reply]

    async def work(engine: Engine) -> None:
        await ask(engine, upstream)
        await ask(engine, upstream)

    talk(work)
    assert [seen.connection for seen in upstream.requests] == [1, 1]


def test_a_connection_that_the_provider_closes_is_not_used_again(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.default = json_body({}, headers={"connection": "close"})

    async def work(engine: Engine) -> None:
        await ask(engine, upstream)
        await ask(engine, upstream)

    talk(work)
    assert [seen.connection for seen in upstream.requests] == [1, 2]


ABANDONED = {
    "before its body": Reply(Status(200), Stall()),
    "in its body": Reply(Status(200), Body(b"Hel"), Stall()),
    "in a stream": Reply(Status(200), Chunk(b"Hel"), Stall()),
}


@pytest.mark.parametrize("reply", ABANDONED)
def test_an_answer_that_is_let_go_closes_its_connection(talk: Talk, upstream: ScriptedUpstream, reply: str) -> None:
    """SR-059: the provider sees it, and the connection does not serve another request."""
    upstream.script(ABANDONED[reply])

    async def work(engine: Engine) -> None:
        answer = await engine.send(to(upstream), 5)
        if reply != "before its body":
            await answer.read()
        await answer.aclose()
        await closed(upstream.requests[0])
        await ask(engine, upstream)

    talk(work)
    assert [seen.connection for seen in upstream.requests] == [1, 2]


def test_a_request_that_is_cancelled_closes_its_connection(talk: Talk, upstream: ScriptedUpstream) -> None:
    """SR-059: while it waits for the head."""
    upstream.default = Reply(Stall())

    async def work(engine: Engine) -> None:
        task = asyncio.ensure_future(engine.send(to(upstream), 5))
        seen = await asyncio.to_thread(upstream.wait_for_request)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await closed(seen)

    talk(work)


def test_a_read_that_is_cancelled_leaves_the_answer_to_be_let_go(talk: Talk, upstream: ScriptedUpstream) -> None:
    """SR-059: in mid-stream."""
    upstream.default = Reply(Status(200), Chunk(b"Hel"), Stall())

    async def work(engine: Engine) -> None:
        answer = await engine.send(to(upstream), 5)
        await answer.read()
        reading = asyncio.ensure_future(answer.read())
        await asyncio.wait([reading], timeout=0)
        reading.cancel()
        await asyncio.wait([reading])
        await answer.aclose()
        await closed(upstream.requests[0])

    talk(work)


@pytest.mark.slow
def test_many_requests_at_once_do_not_wait_for_one_another(talk: Talk, upstream: ScriptedUpstream) -> None:
    """No bound of its own: the server bounds the requests at once."""
    go, many = threading.Event(), 150
    upstream.default = Reply(Wait(go), text_body("Hi"))

    async def work(engine: Engine) -> list[tuple[int, bytes]]:
        asking = [asyncio.ensure_future(ask(engine, upstream)) for _ in range(many)]
        await asyncio.to_thread(upstream.wait_for_request, many)
        go.set()
        return await asyncio.gather(*asking)

    assert talk(work) == [(200, b"Hi")] * many


# Proxies


def test_a_proxy_of_the_configuration_is_used(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.default = text_body("Hi")
    request = UpstreamRequest(url="http://provider.example/v1/chat/completions", headers={})
    talk(lambda engine: passed(engine, request), proxy=Secret(upstream.origin))
    assert upstream.requests[0].path == "http://provider.example/v1/chat/completions"


def test_a_proxy_of_the_environment_is_used(
    talk: Talk, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", upstream.origin)
    upstream.default = text_body("Hi")
    request = UpstreamRequest(url="http://provider.example/v1/chat/completions", headers={})
    talk(lambda engine: passed(engine, request))
    assert upstream.requests[0].headers["host"] == "provider.example"
