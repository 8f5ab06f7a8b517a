"""TLS and HTTP proxies: certificates, ALPN, and tunnels, with both transports."""

from __future__ import annotations

import asyncio
import base64
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from llms_core.config.model import Upstream
from llms_core.errors import ConfigError, ErrorKind, ProviderError
from llms_core.provider import UpstreamRequest
from llms_core.secret import Secret
from llms_core.upstream.engine import create_transport
from llms_core.upstream.transport import HttpTransport

if TYPE_CHECKING:
    from tests.core.upstream.conftest import Name

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `ca.pem`, and `server.pem`, which is for localhost and contains the key."""
    folder = tmp_path_factory.mktemp("certificates")
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
    ca = _certificate(ca_name, ca_name, ca_key, ca_key).add_extension(x509.BasicConstraints(True, None), True)
    ca = ca.add_extension(_key_usage(sign=True), True)
    ca = ca.add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), False)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    server = _certificate(name, ca_name, key, ca_key)
    server = server.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
    server = server.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), False)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(server.sign(ca_key, hashes.SHA256()).public_bytes(pem) + private)
    return folder


def _certificate(
    name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1))
    return builder.not_valid_after(now + datetime.timedelta(days=1))


def _key_usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(True, False, False, False, False, sign, sign, False, False)


def server_context(certificates: Path, *, wants_certificate: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem")
    context.set_alpn_protocols(["h2", "http/1.1"])
    if wants_certificate:
        context.load_verify_locations(certificates / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Yield the port of a server."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each request on a connection with what is known about the client."""
    while True:
        await reader.readuntil(b"\r\n\r\n")
        connection = writer.get_extra_info("ssl_object")
        has_certificate = bool(connection.getpeercert())
        body = f"{connection.selected_alpn_protocol()} {connection.server_side} {has_certificate}".encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))


class FakeProxy:
    """An HTTP proxy that wants credentials and remembers the requests that it got."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        if base64.b64encode(b"us@er:p:ss") not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            return
        method, target, _ = head.split(b" ", 2)
        if method != b"CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nproxy")
            return
        port = int(target.rpartition(b":")[2])
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_copy(reader, upstream_writer), _copy(upstream_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
    finally:
        writer.close()


async def get(transport: HttpTransport, url: str) -> bytes:
    response = await transport.send(UpstreamRequest(url=url, headers={}, method="GET"), 5)
    body = b""
    try:
        while piece := await response.read():
            body += piece
    finally:
        await response.aclose()
    return body


@asynccontextmanager
async def client(name: Name, **settings: object) -> AsyncIterator[HttpTransport]:
    transport = create_transport(Upstream(engine=name, **settings))  # type: ignore[arg-type]
    try:
        async with asyncio.timeout(20):
            yield transport
    finally:
        await transport.aclose()


def test_a_private_certificate_authority_is_accepted_if_it_is_configured(name: Name, certificates: Path) -> None:
    async def work() -> None:
        async with serving(answer, server_context(certificates)) as port:
            async with client(name, ca=str(certificates / "ca.pem")) as transport:
                assert await get(transport, f"https://localhost:{port}/") == b"http/1.1 True False"
            async with client(name) as transport:
                with pytest.raises(ProviderError, match="CERTIFICATE_VERIFY_FAILED") as caught:
                    await get(transport, f"https://localhost:{port}/")
                assert caught.value.kind is ErrorKind.NETWORK

    asyncio.run(work())


def test_the_certificate_must_be_for_the_host(name: Name, certificates: Path) -> None:
    async def work() -> None:
        async with (
            serving(answer, server_context(certificates)) as port,
            client(name, ca=str(certificates / "ca.pem")) as transport,
        ):
            with pytest.raises(ProviderError, match="CERTIFICATE_VERIFY_FAILED"):
                await get(transport, f"https://127.0.0.1:{port}/")

    asyncio.run(work())


def test_a_client_certificate_is_sent(name: Name, certificates: Path) -> None:
    async def work() -> None:
        async with serving(answer, server_context(certificates, wants_certificate=True)) as port:
            settings = {"ca": str(certificates / "ca.pem"), "cert": str(certificates / "server.pem")}
            async with client(name, **settings) as transport:
                assert await get(transport, f"https://localhost:{port}/") == b"http/1.1 True True"

    asyncio.run(work())


@pytest.mark.parametrize("setting", ["ca", "cert"])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_that_cannot_be_used_is_a_configuration_error(
    name: Name, tmp_path: Path, setting: str, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "file.pem").write_text(content, "utf-8")
    settings = Upstream(engine=name, **{setting: "file.pem"})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="cannot be loaded") as caught:
        create_transport(settings, tmp_path)
    assert (caught.value.field, caught.value.path) == (f"upstream.{setting}", str(tmp_path / "file.pem"))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_opens_a_tunnel_for_https_and_forwards_http(name: Name, certificates: Path, scheme: str) -> None:
    async def work() -> None:
        proxy = FakeProxy()
        proxy_tls = server_context(certificates) if scheme == "https" else None
        async with (
            serving(answer, server_context(certificates)) as port,
            serving(proxy.handle, proxy_tls) as proxy_port,
            client(
                name,
                ca=str(certificates / "ca.pem"),
                proxy=Secret(f"{scheme}://us%40er:p%3Ass@localhost:{proxy_port}"),
            ) as transport,
        ):
            assert await get(transport, "http://provider.example/v1?a=b") == b"proxy"
            for _ in range(2):
                assert await get(transport, f"https://localhost:{port}/") == b"http/1.1 True False"
            assert [head.partition(b"\r\n")[0] for head in proxy.heads] == [
                b"GET http://provider.example/v1?a=b HTTP/1.1",
                b"CONNECT localhost:%d HTTP/1.1" % port,
            ]

    asyncio.run(work())


def test_a_proxy_that_refuses_is_a_network_error(name: Name, certificates: Path) -> None:
    async def work() -> None:
        proxy = FakeProxy()
        async with (
            serving(proxy.handle) as port,
            client(name, proxy=Secret(f"http://us:secret@localhost:{port}")) as transport,
        ):
            with pytest.raises(ProviderError, match="407") as caught:
                await get(transport, "https://provider.example/")
            assert caught.value.kind is ErrorKind.NETWORK
            assert "secret" not in caught.value.message

    asyncio.run(work())


def test_a_socks_proxy_is_explained(name: Name) -> None:
    """httpx serves it if `socksio` is installed."""

    async def work() -> None:
        async with client(name, proxy=Secret("socks5://user:secret@127.0.0.1:9")) as transport:
            with pytest.raises(ProviderError) as caught:
                await get(transport, "https://provider.example/")
            assert caught.value.kind is ErrorKind.NETWORK
            assert "secret" not in caught.value.message
            if name == "native":
                assert 'engine = "httpx"' in caught.value.message

    asyncio.run(work())


def test_a_tunnel_that_is_cancelled_closes_its_connection(name: Name) -> None:
    """SR-059."""

    async def work() -> None:
        connected, closed = asyncio.Event(), asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connected.set()
            await reader.read()
            closed.set()

        async with serving(silent) as port, client(name, proxy=Secret(f"http://localhost:{port}")) as transport:
            task = asyncio.ensure_future(get(transport, "https://provider.example/"))
            await connected.wait()
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.wait([task])
            await asyncio.wait_for(closed.wait(), 2)

    asyncio.run(work())
