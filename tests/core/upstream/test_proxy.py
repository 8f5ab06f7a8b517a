"""Proxies: which requests go through one, and how. Both transports follow the same rules."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from http_exchange import exchange
from raw_upstream import Connection, RawRequest, RawUpstream

from llms_core.config.model import Upstream
from llms_core.errors import ErrorKind, ProviderError
from llms_core.provider import UpstreamRequest
from llms_core.secret import Secret
from llms_core.upstream.engine import create_transport
from llms_core.upstream.transport import HttpTransport

if TYPE_CHECKING:
    from trustme import CA

    from tests.core.upstream.conftest import Name, Talk

#: How a TLS record of a handshake begins.
HANDSHAKE = 0x16


@pytest.fixture
def names_resolve_to_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolve every name to 127.0.0.1, so that a request without a proxy arrives as well."""
    original = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _, *args, **kwargs: original("127.0.0.1", *args, **kwargs)
    )


pytestmark = pytest.mark.usefixtures("names_resolve_to_loopback")


# Which requests go through a proxy


class Crossroads:
    """A server that is both the proxy and the provider, and notes as which of the two it was addressed."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def answer(self, connection: Connection) -> None:
        first = await connection.reader.readexactly(1)
        if first[0] == HANDSHAKE:
            self.seen.append("direct")
            return
        head = first + await connection.reader.readuntil(b"\r\n\r\n")
        target = head.split(b" ")[1]
        if head.startswith(b"CONNECT "):
            self.seen.append("proxy")
            await connection.send(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
        else:
            self.seen.append("direct" if target.startswith(b"/") else "proxy")
            await connection.send(
                b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nHi"
            )


@pytest.fixture
def route(name: Name, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return whether a request to `url` goes to the "proxy" or is sent "direct"ly.

    The environment's variables are arguments. In them and in the URL, PROXY is the proxy, and PORT its port.
    """

    async def work(url: str, environment: dict[str, str]) -> str:
        crossroads = Crossroads()
        async with RawUpstream(crossroads.answer) as upstream:

            def filled(text: str) -> str:
                return text.replace("PROXY", upstream.origin).replace("PORT", str(upstream.port))

            for variable, value in environment.items():
                monkeypatch.setenv(variable, filled(value))
            transport = create_transport(Upstream(engine=name))
            try:
                async with asyncio.timeout(10):
                    await exchange(transport, filled(url))
            except ProviderError:
                # TLS and CONNECT are refused here.
                assert url.startswith("https:")
            finally:
                await transport.aclose()
        (way,) = crossroads.seen
        return way

    return lambda url, **environment: asyncio.run(work(url, environment))


HTTP = "http://api.provider.example:PORT/v1"
HTTPS = "https://api.provider.example:PORT/v1"

#: A port at which nothing listens: a request that takes this proxy fails.
WRONG = "http://127.0.0.1:9"

RULES: dict[str, tuple[str, dict[str, str], str]] = {
    "nothing is set": (HTTP, {}, "direct"),
    "https, nothing is set": (HTTPS, {}, "direct"),
    "HTTP_PROXY": (HTTP, {"HTTP_PROXY": "PROXY"}, "proxy"),
    "http_proxy": (HTTP, {"http_proxy": "PROXY"}, "proxy"),
    "HTTPS_PROXY": (HTTPS, {"HTTPS_PROXY": "PROXY"}, "proxy"),
    "https_proxy": (HTTPS, {"https_proxy": "PROXY"}, "proxy"),
    "ALL_PROXY and http": (HTTP, {"ALL_PROXY": "PROXY"}, "proxy"),
    "all_proxy and http": (HTTP, {"all_proxy": "PROXY"}, "proxy"),
    "ALL_PROXY and https": (HTTPS, {"ALL_PROXY": "PROXY"}, "proxy"),
    "all_proxy and https": (HTTPS, {"all_proxy": "PROXY"}, "proxy"),
    "the other scheme's, http": (HTTP, {"HTTPS_PROXY": WRONG, "https_proxy": WRONG}, "direct"),
    "the other scheme's, https": (HTTPS, {"HTTP_PROXY": WRONG, "http_proxy": WRONG}, "direct"),
    "the scheme's own before ALL_PROXY, http": (
        HTTP,
        {"HTTP_PROXY": "PROXY", "ALL_PROXY": WRONG},
        "proxy",
    ),
    "the scheme's own before all_proxy, https": (
        HTTPS,
        {"HTTPS_PROXY": "PROXY", "all_proxy": WRONG},
        "proxy",
    ),
    "lower case before upper case, http": (
        HTTP,
        {"http_proxy": "PROXY", "HTTP_PROXY": WRONG},
        "proxy",
    ),
    "lower case before upper case, https": (
        HTTPS,
        {"https_proxy": "PROXY", "HTTPS_PROXY": WRONG},
        "proxy",
    ),
    "an empty variable": (HTTP, {"HTTP_PROXY": ""}, "direct"),
    "an empty variable and ALL_PROXY": (HTTP, {"http_proxy": "", "ALL_PROXY": "PROXY"}, "proxy"),
    "a proxy without a scheme": (HTTP, {"HTTP_PROXY": "127.0.0.1:PORT"}, "proxy"),
    "a proxy with a slash": (HTTP, {"HTTP_PROXY": "PROXY/"}, "proxy"),
    "an address": ("http://127.0.0.1:PORT/", {"HTTP_PROXY": "PROXY"}, "proxy"),
}


@pytest.mark.parametrize("rule", RULES)
def test_the_proxy_of_the_environment_depends_on_the_scheme(
    route: Callable[..., str], rule: str
) -> None:
    url, environment, expected = RULES[rule]
    assert route(url, **environment) == expected


#: By the value of NO_PROXY, and whether it exempts `api.provider.example`.
EXCEPTIONS: dict[str, str] = {
    "": "proxy",
    "*": "direct",
    "other.example,*": "direct",
    "api.provider.example": "direct",
    "API.Provider.EXAMPLE": "direct",
    "provider.example": "direct",
    ".provider.example": "direct",
    "example": "direct",
    "other.example, provider.example": "direct",
    "other.example provider.example": "direct",
    ",,provider.example,": "direct",
    "other.example": "proxy",
    "rovider.example": "proxy",
    "other-api.provider.example": "proxy",
    "www.api.provider.example": "proxy",
    "provider.example.org": "proxy",
    "api.provider.example:PORT": "direct",
    "provider.example:PORT": "direct",
    "api.provider.example:1": "proxy",
    "127.0.0.0/8": "proxy",
}


@pytest.mark.parametrize("url", [HTTP, HTTPS], ids=["http", "https"])
@pytest.mark.parametrize("exceptions", EXCEPTIONS)
def test_no_proxy_exempts_hosts_and_domains(
    route: Callable[..., str], exceptions: str, url: str
) -> None:
    assert route(url, ALL_PROXY="PROXY", NO_PROXY=exceptions) == EXCEPTIONS[exceptions]


#: By the value of NO_PROXY, and whether it exempts 127.0.0.1.
ADDRESSES: dict[str, str] = {
    "127.0.0.1": "direct",
    "127.0.0.0/8": "direct",
    "127.0.0.1/32": "direct",
    "127.0.0.1/8": "direct",
    "0.0.0.0/0": "direct",
    "10.0.0.0/8,127.0.0.0/24": "direct",
    "127.0.0.1:PORT": "direct",
    "127.0.0.2": "proxy",
    "127.0.0.2/32": "proxy",
    "10.0.0.0/8": "proxy",
    "127.0.0.1:1": "proxy",
    "::1": "proxy",
    "::/0": "proxy",
    "0.0.1": "proxy",
    "1": "proxy",
    "127.0.0.0/99": "proxy",
}


@pytest.mark.parametrize("exceptions", ADDRESSES)
def test_no_proxy_exempts_addresses_and_networks(
    route: Callable[..., str], exceptions: str
) -> None:
    assert (
        route("http://127.0.0.1:PORT/", ALL_PROXY="PROXY", NO_PROXY=exceptions)
        == ADDRESSES[exceptions]
    )


def test_no_proxy_may_be_in_lower_case(route: Callable[..., str]) -> None:
    assert route(HTTP, ALL_PROXY="PROXY", no_proxy="provider.example") == "direct"


def test_no_proxy_in_lower_case_takes_precedence(route: Callable[..., str]) -> None:
    assert (
        route(HTTP, ALL_PROXY="PROXY", no_proxy="provider.example", NO_PROXY="other.example")
        == "direct"
    )
    assert (
        route(HTTP, ALL_PROXY="PROXY", no_proxy="other.example", NO_PROXY="provider.example")
        == "proxy"
    )


# How requests go through a proxy


class ScriptedProxy:
    """An HTTP proxy. All tunnels lead to one server."""

    def __init__(
        self, target_port: int, *, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"
    ):
        self._target_port = target_port
        self._answer = answer
        self.requests: list[RawRequest] = []

    async def answer(self, connection: Connection) -> None:
        while request := await connection.request_head():
            self.requests.append(request)
            if request.method != "CONNECT":
                await connection.reader.readexactly(int(request.headers.get("content-length", "0")))
                await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nforwarded")
                continue
            await connection.send(self._answer)
            if b" 200 " not in self._answer:
                return
            await self._tunnel(connection)
            return

    async def _tunnel(self, connection: Connection) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        try:
            await asyncio.gather(
                self._copy(connection.reader, writer),
                self._copy(reader, connection.writer),
            )
        finally:
            writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()


@pytest.fixture
def server_tls(authority: CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("api.provider.example", "127.0.0.1").configure_cert(context)
    return context


class Provider:
    """A provider behind a proxy."""

    def __init__(self) -> None:
        self.requests: list[RawRequest] = []

    async def answer(self, connection: Connection) -> None:
        while request := await connection.request():
            self.requests.append(request)
            await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nHi")


@asynccontextmanager
async def transport_of(name: Name, **settings: Any) -> AsyncIterator[HttpTransport]:
    transport = create_transport(Upstream(engine=name, **settings))
    try:
        async with asyncio.timeout(10):
            yield transport
    finally:
        await transport.aclose()


def basic(credentials: str) -> str:
    return "Basic " + base64.b64encode(credentials.encode()).decode()


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def awaited() -> None:
        await main()

    asyncio.run(awaited())


@pytest.mark.parametrize("proxy_scheme", ["http", "https"])
def test_https_goes_through_a_tunnel(
    name: Name, ca: str, server_tls: ssl.SSLContext, proxy_scheme: str
) -> None:
    """The proxy gets its credentials, and sees nothing of the request; the provider does not get them."""
    provider = Provider()
    proxy_tls = server_tls if proxy_scheme == "https" else None

    async def main() -> None:
        async with RawUpstream(provider.answer, tls=server_tls) as behind:
            proxy = ScriptedProxy(behind.port)
            async with RawUpstream(proxy.answer, tls=proxy_tls) as upstream:
                address = f"{proxy_scheme}://user%40corp:p%3Ass%2Fword@127.0.0.1:{upstream.port}"
                async with transport_of(name, ca=ca, proxy=Secret(address)) as transport:
                    url = "https://api.provider.example/v1/chat/completions"
                    assert await exchange(
                        transport, url, headers={"authorization": "Bearer key"}
                    ) == (200, b"Hi")
                    assert await exchange(transport, url) == (200, b"Hi")
            (tunnel,) = proxy.requests
            assert (tunnel.method, tunnel.target) == ("CONNECT", "api.provider.example:443")
            assert tunnel.headers["host"] == "api.provider.example:443"
            assert tunnel.headers["proxy-authorization"] == basic("user@corp:p:ss/word")
            assert "authorization" not in tunnel.headers

    run(main)
    assert [request.target for request in provider.requests] == ["/v1/chat/completions"] * 2
    assert all("proxy-authorization" not in request.headers for request in provider.requests)
    assert provider.requests[0].headers["authorization"] == "Bearer key"


def test_the_certificate_behind_a_tunnel_is_verified(
    name: Name, ca: str, server_tls: ssl.SSLContext
) -> None:
    """The proxy cannot answer in place of the provider."""
    provider = Provider()

    async def main() -> None:
        async with RawUpstream(provider.answer, tls=server_tls) as behind:
            proxy = ScriptedProxy(behind.port)
            async with (
                RawUpstream(proxy.answer) as upstream,
                transport_of(name, ca=ca, proxy=Secret(upstream.origin)) as transport,
            ):
                with pytest.raises(ProviderError) as caught:
                    await exchange(transport, "https://other.example/v1")
                assert caught.value.kind is ErrorKind.NETWORK

    run(main)
    assert provider.requests == []


def test_http_is_forwarded_by_the_proxy(name: Name) -> None:
    """With the whole URL in the request, and the proxy's credentials beside those of the provider."""
    proxy = ScriptedProxy(0)

    async def main() -> None:
        async with RawUpstream(proxy.answer) as upstream:
            address = f"http://user:pass@127.0.0.1:{upstream.port}"
            async with transport_of(name, proxy=Secret(address)) as transport:
                url = "http://api.provider.example:8080/v1/models?a=b"
                assert await exchange(transport, url, headers={"authorization": "Bearer key"}) == (
                    200,
                    b"forwarded",
                )

    run(main)
    (request,) = proxy.requests
    assert request.target == "http://api.provider.example:8080/v1/models?a=b"
    assert request.headers["host"] == "api.provider.example:8080"
    assert request.headers["proxy-authorization"] == basic("user:pass")
    assert request.headers["authorization"] == "Bearer key"


def test_a_proxy_without_credentials_gets_none(name: Name) -> None:
    proxy = ScriptedProxy(0)

    async def main() -> None:
        async with (
            RawUpstream(proxy.answer) as upstream,
            transport_of(name, proxy=Secret(upstream.origin)) as transport,
        ):
            await exchange(transport, "http://api.provider.example/v1")

    run(main)
    assert "proxy-authorization" not in proxy.requests[0].headers


REFUSALS: dict[str, bytes] = {
    "407": b"HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n",
    "403": b"HTTP/1.1 403 Forbidden\r\ncontent-length: 5\r\n\r\nNever",
    "502": b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
    "a redirect": b"HTTP/1.1 302 Found\r\nlocation: https://elsewhere.example\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "an unfinished head": b"HTTP/1.1 503 Unavailable\r\nx-a: ",
    "nothing": b"",
    "an endless head": b"HTTP/1.1 503 Unavailable\r\nx-a: " + b"y" * 300_000,
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refused_tunnel_is_a_network_error(name: Name, refusal: str) -> None:
    """Its message does not show the proxy's password."""
    proxy = ScriptedProxy(0, answer=REFUSALS[refusal])

    async def main() -> None:
        async with RawUpstream(proxy.answer) as upstream:
            address = f"http://user:the-password@127.0.0.1:{upstream.port}"
            async with transport_of(name, proxy=Secret(address)) as transport:
                with pytest.raises(ProviderError) as caught:
                    await exchange(transport, "https://api.provider.example/v1")
                assert caught.value.kind is ErrorKind.NETWORK
                assert "the-password" not in str(caught.value)
                assert basic("user:the-password") not in str(caught.value)
            await upstream.wait_until_closed()

    run(main)


@pytest.mark.parametrize("name", ["native"], indirect=True)
def test_a_proxy_that_does_not_answer_times_out(name: Name) -> None:
    """The tunnel is a part of connecting. With httpx, only the time limits of the attempt apply to it."""

    async def never(connection: Connection) -> None:
        await connection.wait_closed()

    async def main() -> None:
        async with (
            RawUpstream(never) as upstream,
            transport_of(name, proxy=Secret(upstream.origin)) as transport,
        ):
            request = UpstreamRequest(url="https://api.provider.example/v1", headers={})
            with pytest.raises(ProviderError) as caught:
                await transport.send(request, 0.1)
            assert caught.value.kind is ErrorKind.TIMEOUT
            await upstream.wait_until_closed()

    run(main)


def test_an_unreachable_proxy_is_a_network_error(talk: Talk) -> None:
    """No request is sent without the proxy instead."""
    with pytest.raises(ProviderError) as caught:
        talk(
            lambda transport: exchange(transport, "http://api.provider.example/v1"),
            proxy=Secret(WRONG),
        )
    assert caught.value.kind is ErrorKind.NETWORK


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_a_socks_proxy_is_explained(scheme: str) -> None:
    """Our own engine does not speak SOCKS, and names the one that does."""

    async def main() -> None:
        address = f"{scheme}://user:the-password@127.0.0.1:9"
        async with transport_of("native", proxy=Secret(address)) as transport:
            with pytest.raises(ProviderError) as caught:
                await exchange(transport, "https://api.provider.example/v1")
            message = str(caught.value)
            assert "SOCKS" in message
            assert "httpx" in message
            assert "the-password" not in message

    run(main)


@pytest.mark.parametrize("scheme", ["socks", "socks4", "socks4a", "ftp"])
def test_a_proxy_that_no_transport_can_use_is_explained(name: Name, scheme: str) -> None:
    async def main() -> None:
        address = f"{scheme}://user:the-password@127.0.0.1:9"
        async with transport_of(name, proxy=Secret(address)) as transport:
            with pytest.raises(ProviderError, match="socks5://") as caught:
                await exchange(transport, "https://api.provider.example/v1")
            assert "the-password" not in str(caught.value)

    run(main)


def test_a_socks_proxy_of_the_environment_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")

    async def main() -> None:
        async with transport_of("native") as transport:
            with pytest.raises(ProviderError, match="SOCKS"):
                await exchange(transport, "http://api.provider.example/v1")

    run(main)


def test_netrc_is_never_read(name: Name, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would send a password of the operator's to a provider or a proxy."""
    netrc = tmp_path / ".netrc"
    netrc.write_text(
        "machine 127.0.0.1 login me password secret\ndefault login me password secret\n"
    )
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    proxy = ScriptedProxy(0)

    async def main() -> None:
        async with RawUpstream(proxy.answer) as upstream:
            async with transport_of(name) as transport:
                await exchange(transport, f"{upstream.origin}/v1")
            async with transport_of(name, proxy=Secret(upstream.origin)) as transport:
                await exchange(transport, "http://api.provider.example/v1")

    run(main)
    assert len(proxy.requests) == 2
    for request in proxy.requests:
        assert request.headers.keys().isdisjoint({"authorization", "proxy-authorization"})
