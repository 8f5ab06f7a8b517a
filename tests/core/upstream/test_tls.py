"""TLS: whom the transports trust, and what they show of themselves."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from raw_upstream import Connection, RawUpstream

from llms_core.config.model import Upstream
from llms_core.errors import ConfigError, ErrorKind, ProviderError
from llms_core.provider import UpstreamRequest
from llms_core.upstream.engine import create_transport
from llms_core.upstream.transport import HttpTransport

if TYPE_CHECKING:
    from trustme import CA

    from tests.core.upstream.conftest import Name

NAME = "api.provider.example"
PAST = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)


class Handshakes:
    """What a server learns of its clients."""

    def __init__(self) -> None:
        #: the names that clients have asked for (SNI)
        self.names: list[str | None] = []
        #: the subjects of their certificates
        self.certificates: list[Any] = []
        self.protocols: list[str | None] = []
        #: requests that were read
        self.requests = 0

    def watch(self, context: ssl.SSLContext) -> None:
        def note(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
            self.names.append(name)

        context.sni_callback = note

    async def answer(self, connection: Connection) -> None:
        tls = connection.writer.get_extra_info("ssl_object")
        self.certificates.append(tls.getpeercert())
        self.protocols.append(tls.selected_alpn_protocol())
        while await connection.request():
            self.requests += 1
            await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nHi")


@pytest.fixture(autouse=True)
def names_resolve_to_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    original = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _, *args, **kwargs: original("127.0.0.1", *args, **kwargs)
    )


@pytest.fixture
def handshakes() -> Handshakes:
    return Handshakes()


@pytest.fixture
def server_tls(authority: CA, handshakes: Handshakes) -> ssl.SSLContext:
    """A server with a certificate of the private authority, for a name and an address."""
    return context_of(authority, handshakes, NAME, "127.0.0.1")


def context_of(authority: CA, handshakes: Handshakes, *names: str, **more: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **more).configure_cert(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    handshakes.watch(context)
    return context


Ask = Callable[..., bytes]


@pytest.fixture
def ask(name: Name, handshakes: Handshakes) -> Ask:
    """Send a request to `host` of a server with TLS, and return the body of its response."""

    async def exchange(transport: HttpTransport, url: str) -> bytes:
        response = await transport.send(UpstreamRequest(url=url, headers={}, content=b"{}"), 5)
        body = b""
        try:
            while piece := await response.read():
                body += piece
        finally:
            await response.aclose()
        return body

    async def work(tls: ssl.SSLContext | None, host: str, settings: dict[str, Any]) -> bytes:
        transport = create_transport(Upstream(engine=name, **settings))
        async with RawUpstream(handshakes.answer, tls=tls) as upstream:
            # The server rejects clients as well.
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)
            try:
                async with asyncio.timeout(10):
                    return await exchange(transport, f"https://{host}:{upstream.port}/v1")
            finally:
                await transport.aclose()

    return lambda tls, host=NAME, **settings: asyncio.run(work(tls, host, settings))


def assert_refused(
    ask: Ask, handshakes: Handshakes, tls: ssl.SSLContext, host: str = NAME, **settings: Any
) -> str:
    """Verify that the transport does not send a request, and return its message."""
    with pytest.raises(ProviderError) as caught:
        ask(tls, host, **settings)
    assert caught.value.kind is ErrorKind.NETWORK
    assert handshakes.requests == 0
    return str(caught.value)


# The server's certificate


def test_a_private_authority_is_trusted(ask: Ask, ca: str, server_tls: ssl.SSLContext) -> None:
    assert ask(server_tls, ca=ca) == b"Hi"


def test_an_address_may_be_certified(ask: Ask, ca: str, server_tls: ssl.SSLContext) -> None:
    assert ask(server_tls, "127.0.0.1", ca=ca) == b"Hi"


def test_a_wildcard_may_be_certified(
    ask: Ask, ca: str, authority: CA, handshakes: Handshakes
) -> None:
    assert ask(context_of(authority, handshakes, "*.provider.example"), ca=ca) == b"Hi"


@pytest.mark.usefixtures("ca")
def test_an_unknown_authority_is_refused(
    ask: Ask, handshakes: Handshakes, server_tls: ssl.SSLContext
) -> None:
    message = assert_refused(ask, handshakes, server_tls)
    assert "certificate" in message.lower()


@pytest.mark.parametrize("host", ["other.example", "provider.example", "www.api.provider.example"])
def test_a_wrong_name_is_refused(
    ask: Ask, ca: str, handshakes: Handshakes, server_tls: ssl.SSLContext, host: str
) -> None:
    assert_refused(ask, handshakes, server_tls, host, ca=ca)


def test_a_wrong_address_is_refused(
    ask: Ask, ca: str, authority: CA, handshakes: Handshakes
) -> None:
    tls = context_of(authority, handshakes, NAME, "127.0.0.2")
    assert_refused(ask, handshakes, tls, "127.0.0.1", ca=ca)


def test_an_expired_certificate_is_refused(
    ask: Ask, ca: str, authority: CA, handshakes: Handshakes
) -> None:
    expired = context_of(
        authority, handshakes, NAME, not_before=PAST, not_after=PAST + datetime.timedelta(days=1)
    )
    assert_refused(ask, handshakes, expired, ca=ca)


def test_a_server_without_tls_is_a_network_error(ask: Ask, ca: str) -> None:
    with pytest.raises(ProviderError) as caught:
        ask(None, ca=ca)
    assert caught.value.kind is ErrorKind.NETWORK


# What the transport shows


def test_the_name_of_the_server_is_sent(
    ask: Ask, ca: str, handshakes: Handshakes, server_tls: ssl.SSLContext
) -> None:
    """SNI: many providers share an address."""
    ask(server_tls, ca=ca)
    assert handshakes.names == [NAME]


def test_an_address_is_not_sent_as_a_name(
    ask: Ask, ca: str, handshakes: Handshakes, server_tls: ssl.SSLContext
) -> None:
    """RFC 6066, section 3."""
    ask(server_tls, "127.0.0.1", ca=ca)
    assert handshakes.names == [None]


def test_http_1_1_is_negotiated(
    ask: Ask, ca: str, handshakes: Handshakes, server_tls: ssl.SSLContext
) -> None:
    """ALPN: some servers speak HTTP/2 by default."""
    ask(server_tls, ca=ca)
    assert handshakes.protocols == ["http/1.1"]


# The client's certificate


@pytest.fixture
def client_certificate(authority: CA, tmp_path: Path) -> str:
    """A file with a certificate and its private key, for `[upstream] cert`."""
    path = tmp_path / "client.pem"
    authority.issue_cert("gateway@operator.example").private_key_and_cert_chain_pem.write_to_path(
        str(path)
    )
    return str(path)


@pytest.fixture
def strict_tls(server_tls: ssl.SSLContext, authority: CA) -> ssl.SSLContext:
    """A server that demands a certificate of its clients."""
    server_tls.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(server_tls)
    return server_tls


def test_a_client_certificate_is_shown(
    ask: Ask, ca: str, handshakes: Handshakes, strict_tls: ssl.SSLContext, client_certificate: str
) -> None:
    assert ask(strict_tls, ca=ca, cert=client_certificate) == b"Hi"
    (certificate,) = handshakes.certificates
    assert ("email", "gateway@operator.example") in certificate["subjectAltName"]


def test_a_missing_client_certificate_is_a_network_error(
    ask: Ask, ca: str, handshakes: Handshakes, strict_tls: ssl.SSLContext
) -> None:
    assert_refused(ask, handshakes, strict_tls, ca=ca)


# The files

UNUSABLE: dict[str, str | None] = {
    "missing": None,
    "empty": "",
    "not PEM": "certificate",
    "damaged": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
}


@pytest.mark.usefixtures("ca")
@pytest.mark.parametrize("setting", ["ca", "cert"])
@pytest.mark.parametrize("content", UNUSABLE)
def test_an_unusable_file_is_named(name: Name, tmp_path: Path, setting: str, content: str) -> None:
    """At the start, and not at the first request."""
    path = tmp_path / "file.pem"
    text = UNUSABLE[content]
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        create_transport(msgspec.structs.replace(Upstream(engine=name), **{setting: str(path)}))
    assert str(path) in str(caught.value)
    assert f"upstream.{setting}" in str(caught.value)


def test_files_are_relative_to_the_given_folder(
    name: Name, ca: str, client_certificate: str
) -> None:
    folder = Path(ca).parent

    async def create() -> None:
        settings = Upstream(engine=name, ca="ca.pem", cert=Path(client_certificate).name)
        await create_transport(settings, folder).aclose()

    asyncio.run(create())
