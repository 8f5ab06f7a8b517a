"""The HTTP client that `prepare` and `generate` get (`AdapterHttp`), on both transports."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import pytest
from clock import skip_time

from llms_core.errors import ErrorKind, PluginError, ProviderError
from llms_core.provider import UpstreamReply, UpstreamRequest
from llms_core.secret import redact
from llms_core.testing import (
    Body,
    Chunk,
    Close,
    Reply,
    ScriptedUpstream,
    Stall,
    Status,
    error,
    json_body,
    refused_base_url,
)
from llms_core.upstream.body import AttemptLimits
from llms_core.upstream.provider_http import PREPARE_EXCHANGE_SECONDS, ProviderHttp
from llms_core.upstream.transport import HttpTransport
from tests.core.upstream.conftest import Talk

LIMITS = AttemptLimits(connect=5, first_token=60, idle=60, total=60, max_bytes=1000)

Work = Callable[[ProviderHttp], Awaitable[Any]]


class Token(msgspec.Struct):
    access_token: str
    expires_in: float = 60


def using(
    work: Work, *, limits: AttemptLimits = LIMITS, prepares: bool = False
) -> Callable[[HttpTransport], Any]:
    """Give a client to a function."""

    async def use(transport: HttpTransport) -> Any:
        with ProviderHttp(transport, limits, prepares=prepares) as http:
            return await work(http)

    return use


def request(
    upstream: ScriptedUpstream, headers: Mapping[str, str] = {}, query: str = ""
) -> UpstreamRequest:
    return UpstreamRequest(
        url=f"{upstream.base_url}/token{query}", headers=dict(headers), content=b"{}"
    )


def fails(talk: Talk, work: Work, **options: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        talk(using(work, **options))
    return caught.value


def test_a_reply_has_its_status_its_headers_and_its_body(
    talk: Talk, upstream: ScriptedUpstream
) -> None:
    upstream.script(Reply(Status(404, {"X-Request-Id": "7"}), Body(b"no")))
    reply = talk(using(lambda http: http.send(request(upstream))))
    assert (reply.status, reply.headers["x-request-id"], reply.body) == (404, "7", b"no")
    assert not reply.is_success


def test_a_reply_is_decoded_into_a_type(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.script(json_body({"access_token": "t", "expires_in": 5}))
    reply = talk(using(lambda http: http.send(request(upstream))))
    assert reply.json(Token) == Token("t", 5.0)
    assert reply.json() == {"access_token": "t", "expires_in": 5}


def test_the_error_of_a_provider_is_classified_when_it_is_decoded(
    talk: Talk, upstream: ScriptedUpstream
) -> None:
    upstream.script(error(429, headers={"retry-after": "7"}))
    reply = talk(using(lambda http: http.send(request(upstream))))
    with pytest.raises(ProviderError) as caught:
        reply.json(Token)
    assert (caught.value.kind, caught.value.status, caught.value.retry_after) == (
        ErrorKind.RATE_LIMIT,
        429,
        7.0,
    )


@pytest.mark.parametrize(
    "body",
    [b"", b"no JSON", b"[]", b'{"access_token": 1}', b"[" * 100_000, b'{"access_token": "\xff"}'],
)
def test_a_body_that_cannot_be_read_is_an_error_of_the_provider(body: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        UpstreamReply(200, {}, body).json(Token)
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


def test_a_failure_of_the_network_is_an_error_of_the_provider(talk: Talk) -> None:
    refused = UpstreamRequest(url=f"{refused_base_url()}/token", headers={})
    assert fails(talk, lambda http: http.send(refused)).kind is ErrorKind.NETWORK


def test_a_reply_that_is_cut_off_is_an_error(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.script(Reply(Status(200, {"content-length": "100"}), Body(b"half"), Close()))
    assert fails(talk, lambda http: http.send(request(upstream))).kind is ErrorKind.NETWORK


def test_a_reply_has_the_limit_of_any_answer(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.script(Reply(Status(200), Body(b"a" * 1001)))
    assert (
        str(fails(talk, lambda http: http.send(request(upstream))))
        == "The answer exceeds 1000 bytes"
    )


def late(upstream: ScriptedUpstream, seconds: float, **options: Any) -> Work:
    """Send a request that is not answered, and let some time pass."""

    async def send(http: ProviderHttp) -> None:
        sending = asyncio.ensure_future(http.send(request(upstream), **options))
        await asyncio.to_thread(upstream.wait_for_request)
        await skip_time(seconds)
        await sending

    return send


@pytest.mark.parametrize(
    ("prepares", "options", "seconds"),
    [
        (False, {}, 60),
        (True, {}, PREPARE_EXCHANGE_SECONDS),
        (True, {"max_seconds": 45}, 45),
        (False, {"max_seconds": 5}, 5),
    ],
)
def test_a_request_has_a_time_limit(
    talk: Talk, upstream: ScriptedUpstream, prepares: bool, options: Any, seconds: float
) -> None:
    """A server that hangs must not hold up all who wait for a token."""
    upstream.default = Reply(Stall())
    error = fails(talk, late(upstream, seconds, **options), prepares=prepares)
    assert error.kind is ErrorKind.TIMEOUT
    assert str(error) == f"The provider did not respond completely within {seconds:g} s"


def test_events_are_read_as_they_arrive(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.script(
        Reply(
            Status(200, {"content-type": "text/event-stream"}),
            Chunk(b"event: a\ndata: 1\n\nda"),
            Chunk(b"ta: 2\n\n"),
        )
    )

    async def read(http: ProviderHttp) -> Any:
        async with http.stream(request(upstream)) as events:
            return events.status, [event async for event in events]

    assert talk(using(read)) == (200, [("a", b"1"), ("", b"2")])


def test_events_may_be_lines(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.script(Reply(Status(200), Chunk(b'{"a": 1}\n{"a'), Chunk(b'": 2}')))

    async def read(http: ProviderHttp) -> Any:
        async with http.stream(request(upstream), "ndjson") as events:
            return [data async for _, data in events]

    assert talk(using(read)) == [b'{"a": 1}', b'{"a": 2}']


def test_an_error_instead_of_events_is_classified(talk: Talk, upstream: ScriptedUpstream) -> None:
    async def read(http: ProviderHttp) -> None:
        async with http.stream(request(upstream)) as events:
            async for _ in events:
                pytest.fail("there are none")

    upstream.script(error(503))
    assert fails(talk, read).kind is ErrorKind.OVERLOADED


def test_an_error_instead_of_events_can_be_read(talk: Talk, upstream: ScriptedUpstream) -> None:
    async def read(http: ProviderHttp) -> Any:
        async with http.stream(request(upstream)) as events:
            reply = await events.reply()
            return reply.status, reply.json() if reply.is_success else reply.body

    upstream.script(Reply(Status(409), Body(b'{"oops": 1}')))
    assert talk(using(read)) == (409, b'{"oops": 1}')


def test_a_stream_that_is_left_is_closed(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.script(Reply(Status(200), Chunk(b"data: 1\n\n"), Stall()))

    async def read(http: ProviderHttp) -> None:
        async with http.stream(request(upstream)) as events:
            async for _ in events:
                break

    talk(using(read))
    upstream.requests[0].wait_closed()


def test_the_credentials_of_a_request_are_masked(talk: Talk, upstream: ScriptedUpstream) -> None:
    """In whichever header or parameter: before the adapter has told anybody of them."""
    headers = {
        "authorization": "Bearer of-authorization",
        "x-api-key": "of-x-api-key",
        "cookie": "session=of-cookie",
        "x-acme-token": "of-x-acme-token",
    }
    talk(using(lambda http: http.send(request(upstream, headers, "?key=of-a-parameter"))))
    shown = "of-authorization of-x-api-key session=of-cookie of-x-acme-token of-a-parameter"
    assert redact(shown) == "*** *** *** *** ***"


def test_what_a_provider_hands_out_to_prepare_is_masked(
    talk: Talk, upstream: ScriptedUpstream
) -> None:
    """Also before the adapter has read it, which may fail."""
    body = b'{"access_token": "of-access-token", "refresh_token": "of-refresh-token", "scope": "of-a-scope"}'
    cookies = {
        "set-cookie": "first=of-a-cookie; path=/, second=of-another; expires=Wed, 21 Oct 2026 07:28:00 GMT"
    }
    upstream.script(Reply(Status(200, cookies), Body(body)))
    talk(using(lambda http: http.send(request(upstream)), prepares=True))
    shown = "of-access-token of-refresh-token of-a-scope of-a-cookie of-another 21 Oct 2026"
    assert redact(shown) == "*** *** of-a-scope *** *** 21 Oct 2026"


def test_text_of_an_answer_is_not_masked(talk: Talk, upstream: ScriptedUpstream) -> None:
    """A member `token` of an answer is a piece of text."""
    upstream.script(json_body({"token": "Grüße aus Oslo"}))
    talk(using(lambda http: http.send(request(upstream))))
    assert redact("Grüße aus Oslo") == "Grüße aus Oslo"


def test_a_secret_of_the_adapter_is_masked_from_then_on(talk: Talk) -> None:
    async def keep(http: ProviderHttp) -> Any:
        return http.secret("of-a-header-nobody-knows")

    secret = talk(using(keep))
    assert secret.reveal() == "of-a-header-nobody-knows"
    assert redact(f"{secret} of-a-header-nobody-knows") == "Secret(***) ***"


_BYTES: Any = b"http://x"


@pytest.mark.parametrize(
    "wrong", [None, "http://localhost/", UpstreamRequest(url=_BYTES, headers={})]
)
def test_what_is_no_request_is_a_bug_of_the_adapter(talk: Talk, wrong: Any) -> None:
    with pytest.raises(PluginError):
        talk(using(lambda http: http.send(wrong)))


def test_a_client_is_of_no_use_after_its_call(talk: Talk, upstream: ScriptedUpstream) -> None:
    """An adapter that keeps it would make requests without any limit."""

    async def keep(http: ProviderHttp) -> ProviderHttp:
        return http

    async def use(transport: HttpTransport) -> None:
        http = await using(keep)(transport)
        await http.send(request(upstream))

    with pytest.raises(PluginError, match="after the call has ended"):
        talk(use)
    assert upstream.requests == []
