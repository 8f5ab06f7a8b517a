"""Fetching a URL that a client names: what may be requested, and the limits of size and time."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import pytest
from clock import Reached, SkippingLoop, skip_time
from hypothesis import given, settings
from hypothesis import strategies as st

from llms_core.errors import ErrorKind, Unsupported
from llms_core.testing import (
    Body,
    Chunk,
    Close,
    Drip,
    Raw,
    Reply,
    ScriptedUpstream,
    Stall,
    Status,
    Wait,
    text_body,
)
from llms_core.upstream import guarded_session
from llms_core.upstream.fetch import Fetcher
from llms_core.upstream.http1.resolve import Address
from llms_core.upstream.url import parse_provider_url

T = TypeVar("T")

PARAM = "messages[0].content[1].image_url.url"
HERE = "127.0.0.1/32"
"""The address of the scripted servers; it allows nothing else of the loopback network."""

PNG = b"\x89PNG\r\n\x1a\n and so on"
IMAGE = Reply(Status(200, {"content-type": "image/png"}), Body(PNG))

Names = Mapping[str, Sequence[Sequence[str]]]
"""Name -> the resolver's answers, one for each lookup; the last one is repeated."""


class Net:
    """A fake network: a resolver with the given names, and a record of every connection attempt."""

    def __init__(self, names: Names, *, connect: bool) -> None:
        self._names = {name: list(answers) for name, answers in names.items()}
        self._connect = connect
        self.resolved: list[str] = []
        self.connected: list[str] = []

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Replace the system's resolver, and the running loop's way to connect."""
        loop: Any = asyncio.get_running_loop()
        connect = loop.sock_connect

        def getaddrinfo(host: str, port: int, **options: Any) -> list[Any]:
            self.resolved.append(host)
            answers = self._names.get(host)
            if not answers:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            addresses = answers.pop(0) if len(answers) > 1 else answers[0]
            return [_address_info(address, port) for address in addresses]

        async def sock_connect(connecting: socket.socket, address: Any) -> None:
            self.connected.append(address[0])
            if not self._connect:
                raise ConnectionRefusedError
            await connect(connecting, address)

        loop.sock_connect = sock_connect
        with mock.patch.object(socket, "getaddrinfo", getaddrinfo):
            yield


def _address_info(address: str, port: int) -> tuple[Any, ...]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)


def run(
    work: Callable[[Fetcher], Awaitable[T]],
    *allowed: str,
    net: Net | None = None,
    max_bytes: int = 10_000,
    timeout: float = 5.0,
) -> T:
    async def session() -> T:
        fetcher = Fetcher(allowed, max_bytes=max_bytes, timeout=timeout)
        network = net.in_use() if net is not None else nullcontext()
        # More than any test skips of the loop's time.
        with network:
            async with asyncio.timeout(300):
                return await work(fetcher)

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return runner.run(session())


def fetched(url: str, *allowed: str, **options: Any) -> tuple[str, bytes]:
    return run(lambda fetcher: fetcher.fetch(url, PARAM), *allowed, **options)


def refusal(url: str, *allowed: str, **options: Any) -> str:
    """Return the reason why a URL is not fetched."""
    with pytest.raises(Unsupported) as caught:
        fetched(url, *allowed, **options)
    error = caught.value
    assert (error.kind, error.param) == (ErrorKind.INVALID_REQUEST, PARAM)
    return error.message.removeprefix(f"The file named by '{PARAM}' was not fetched: ")


# Which URLs may be requested


def test_a_very_long_url_is_refused() -> None:
    """Nor is it kept: clients may send thousands of them."""
    kept = parse_provider_url.cache_info().currsize
    assert (
        refusal(f"https://example.com/?{'x' * 1_000_000}")
        == "its URL is longer than 16384 characters"
    )
    assert refusal("http://192.168.0.1/of-a-client") == NOT_PUBLIC
    assert parse_provider_url.cache_info().currsize == kept


NOT_PUBLIC = "its address is not public"
NUMERIC_HOST = "its host is a number, but not a valid IP address"
NOT_PLAIN_HTTP = "it is not a plain http(s) URL"
FAILED = "it cannot be fetched"

ADDRESSES = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.0.9", "169.254.169.254",
    "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:7f00:1",
    "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::10.0.0.1",
    "100::1", "2001::1", "2001:0:7f00:1::1", "2001:0:4136:e378:8000:63bf:80ff:fffe", "2001:db8::1", "2001:10::1",
    "2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1",
    "fd12:3456:789a::1", "fe80::1", "fec0::1", "ff02::1", "ff0e::1",
]  # fmt: skip


def url_of(address: str) -> str:
    return f"http://[{address}]/cat.png" if ":" in address else f"http://{address}/cat.png"


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    """SR-036."""
    net = Net({}, connect=False)
    assert refusal(url_of(address), net=net) == NOT_PUBLIC
    assert (net.resolved, net.connected) == ([], [])


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_name_with_an_address_that_is_not_public_is_refused(address: str) -> None:
    """SR-036: also if it has public addresses before or after that one."""
    for found in ([address], ["93.184.215.14", address], [address, "2606:4700::1111"]):
        net = Net({"media.example": [found]}, connect=False)
        assert refusal("http://media.example/cat.png", net=net) == NOT_PUBLIC
        assert (net.resolved, net.connected) == (["media.example"], [])


PUBLIC = ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_connected_to(address: str) -> None:
    """SR-036: as an IP address or by name; also through a NAT64, which machines with only IPv6 need."""
    net = Net({"media.example": [[address]]}, connect=False)
    for url in (url_of(address), "http://media.example/cat.png", "https://media.example/cat.png"):
        assert refusal(url, net=net) == FAILED
    same = [str(ipaddress.ip_address(address))] * 3
    assert [str(ipaddress.ip_address(each)) for each in net.connected] == same


private = st.one_of(
    *(
        st.ip_addresses(network=net)
        for net in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16")
    ),
    *(
        st.ip_addresses(network=net)
        for net in ("172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3", "0.0.0.0/8")
    ),
)
wrapping = st.sampled_from(["::ffff:0:0", "64:ff9b::", "2002::", "::", "::ffff:0:0:0"])


@settings(max_examples=60)
@given(private, wrapping)
def test_embedding_does_not_make_an_address_public(
    inner: ipaddress.IPv4Address, prefix: str
) -> None:
    """SR-036."""
    shift = 80 if prefix == "2002::" else 0
    wrapped = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | int(inner) << shift)
    net = Net({}, connect=False)
    assert (
        refusal(url_of(str(inner)), net=net) == refusal(url_of(str(wrapped)), net=net) == NOT_PUBLIC
    )
    assert net.connected == []


@settings(max_examples=60)
@given(st.ip_addresses(v=6).filter(lambda address: int(address) >> 125 != 1))
def test_only_global_unicast_is_public_in_ipv6(address: ipaddress.IPv6Address) -> None:
    """SR-036."""
    net = Net({}, connect=False)
    refusal(url_of(str(address)), net=net)
    wrapped = address.ipv4_mapped or address in ipaddress.ip_network("64:ff9b::/96")
    assert net.connected == [] or wrapped


SPELLINGS = [
    "http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/", "http://0x7F.1/", "http://0177.0.0.1/",
    "http://017700000001/", "http://127.1/", "http://127.0.1/", "http://127.0.0.1./", "http://127.0.0.01/",
    "http://0/", "http://0x/", "http://1.1.1.1.1/", "http://256.1.1.1/", "http://example.0x7f/",
]  # fmt: skip


@pytest.mark.parametrize("url", SPELLINGS)
def test_a_numeric_host_that_is_not_an_ip_address_is_refused(url: str) -> None:
    """SR-036: some resolvers accept it as an address."""
    net = Net({}, connect=False)
    assert refusal(url, net=net) == NUMERIC_HOST
    assert (net.resolved, net.connected) == ([], [])


@pytest.mark.parametrize(
    "url", ["http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/", "http://[0:0:0:0:0:ffff:127.0.0.1]/"]
)
def test_an_address_in_other_unicode_characters_is_recognized(url: str) -> None:
    """SR-036."""
    assert refusal(url, net=Net({}, connect=False)) == NOT_PUBLIC


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "localhost.", "localhost..", "a.localhost", "ip6-localhost"]
)
def test_names_of_this_machine_are_refused(host: str) -> None:
    """SR-036."""
    names = ("localhost", "localhost.", "a.localhost", "ip6-localhost")
    net = Net({name: [["127.0.0.1", "::1"]] for name in names}, connect=False)
    assert refusal(f"http://{host}/cat.png", net=net) in (NOT_PUBLIC, FAILED)
    assert net.connected == []


def test_without_httptools_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llms_core.upstream.guarded_session", None)
    assert (
        refusal("http://media.example/cat.png")
        == "it cannot be fetched without the package httptools"
    )


def test_localhost_is_refused_with_the_systems_resolver(upstream: ScriptedUpstream) -> None:
    """SR-036."""
    assert refusal(upstream.origin.replace("127.0.0.1", "localhost")) == NOT_PUBLIC
    assert refusal(upstream.origin) == NOT_PUBLIC
    assert upstream.requests == []


URLS = [
    "ftp://media.example/cat.png", "file:///etc/passwd", "gopher://media.example/", "data:image/png;base64,AAAA",
    "//media.example/cat.png", "/etc/passwd", "", "http://", "http:///cat.png", "https:cat.png",
    "http://user:secret@media.example/", "http://user@media.example/", "http://:secret@media.example/",
    "http://127.0.0.1%2f@media.example/", "http://[fe80::1%25eth0]/", "http://%31%32%37.0.0.1/", "ws://media.example/",
]  # fmt: skip


@pytest.mark.parametrize("url", URLS)
def test_other_urls_than_plain_http_are_refused(url: str) -> None:
    """SR-036, SR-039."""
    net = Net({"media.example": [["93.184.215.14"]]}, connect=False)
    assert refusal(url, net=net) == NOT_PLAIN_HTTP
    assert (net.resolved, net.connected) == ([], [])


@pytest.mark.parametrize(
    "url",
    ["http://[::1", "http://a\\@127.0.0.1/", "http://media.example:99999/", "http://[v1.x]/", "http://ex ample/",
     "http://\x00.example/", f"http://{'a' * 70}.example/", "http://nowhere.example/", "http://\udcff.example/"],
)  # fmt: skip
def test_an_invalid_or_unresolvable_url_is_refused(url: str) -> None:
    net = Net({}, connect=False)
    assert refusal(url, net=net) in (FAILED, NOT_PLAIN_HTTP)
    assert net.connected == []


@settings(max_examples=100)
@given(st.text(max_size=30), st.sampled_from(["", "http://", "https://", "http://[", "//"]))
def test_arbitrary_text_as_a_url_raises_only_unsupported(text: str, scheme: str) -> None:
    refusal(scheme + text, net=Net({}, connect=False))


def test_a_network_can_be_allowed(upstream: ScriptedUpstream) -> None:
    """SR-036: `[upstream] fetch_from`; by address and by name. Everything else stays refused."""
    upstream.default = IMAGE
    assert fetched(upstream.origin, HERE) == ("image/png", PNG)
    assert fetched(upstream.origin, "10.0.0.0/8", "127.0.0.0/8") == ("image/png", PNG)
    assert fetched(upstream.origin.replace("127.0.0.1", "[::ffff:127.0.0.1]"), HERE) == (
        "image/png",
        PNG,
    )
    assert refusal(upstream.origin, "10.0.0.0/8", "::1/128", "127.0.0.2/32") == NOT_PUBLIC
    assert refusal("http://127.0.0.2/", HERE) == NOT_PUBLIC
    net = Net({"media.example": [["127.0.0.1"]]}, connect=True)
    assert fetched(upstream.origin.replace("127.0.0.1", "media.example"), HERE, net=net) == (
        "image/png",
        PNG,
    )
    mixed = Net({"media.example": [["127.0.0.1", "127.0.0.2"]]}, connect=True)
    assert (
        refusal(upstream.origin.replace("127.0.0.1", "media.example"), HERE, net=mixed)
        == NOT_PUBLIC
    )
    assert len(upstream.requests) == 4


# Names that change their address between check and use


def test_a_name_is_resolved_once_and_the_checked_address_is_connected_to(
    upstream: ScriptedUpstream,
) -> None:
    """SR-036: against DNS rebinding."""
    upstream.default = IMAGE
    net = Net({"media.example": [["127.0.0.1"], ["169.254.169.254"]]}, connect=True)
    assert fetched(upstream.origin.replace("127.0.0.1", "media.example"), HERE, net=net) == (
        "image/png",
        PNG,
    )
    assert (net.resolved, net.connected) == (["media.example"], ["127.0.0.1"])
    assert upstream.requests[0].headers["host"].startswith("media.example:")


def test_a_name_is_checked_again_for_each_connection(upstream: ScriptedUpstream) -> None:
    """SR-036: no cache of addresses."""
    upstream.default = IMAGE
    url = upstream.origin.replace("127.0.0.1", "media.example")
    net = Net({"media.example": [["127.0.0.1"], ["10.0.0.1"]]}, connect=True)

    async def twice(fetcher: Fetcher) -> None:
        assert await fetcher.fetch(url, PARAM) == ("image/png", PNG)
        with pytest.raises(Unsupported, match=NOT_PUBLIC):
            await fetcher.fetch(url, PARAM)

    run(twice, HERE, net=net)
    assert net.connected == ["127.0.0.1"]


def test_no_socket_is_created_for_an_address_that_is_not_allowed(
    upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SR-036: even if the resolver does not check it."""

    async def unchecked(self: object, host: str, port: int) -> list[Address]:
        return [Address(socket.AF_INET, "127.0.0.1", ("127.0.0.1", port))]

    monkeypatch.setattr(guarded_session.GuardedResolver, "resolve", unchecked)
    assert refusal(upstream.origin.replace("127.0.0.1", "media.example")) == FAILED
    assert upstream.requests == []


# Redirects


def redirect(location: str, status: int = 302) -> Reply:
    return Reply(Status(status, {"location": location}), Body(b"there"))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(upstream: ScriptedUpstream, status: int) -> None:
    port = upstream.origin.rpartition(":")[2]
    for location in (
        "/cat.png",
        "cat.png",
        f"//127.0.0.1:{port}/cat.png",
        f"{upstream.origin}/cat.png?a=1#b",
    ):
        upstream.script(redirect(location, status), IMAGE)
        assert fetched(f"{upstream.origin}/old", HERE) == ("image/png", PNG)
        assert [seen.method for seen in upstream.requests[-2:]] == ["GET", "GET"]
        assert upstream.requests[-1].path.startswith("/cat.png")


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://127.0.0.2/", NOT_PUBLIC), ("http://10.0.0.1/", NOT_PUBLIC), ("http://[fd12::1]/", NOT_PUBLIC),
        ("http://[::ffff:10.0.0.1]/", NOT_PUBLIC), ("http://[64:ff9b::a9fe:a9fe]/", NOT_PUBLIC),
        ("//169.254.169.254/latest/meta-data", NOT_PUBLIC), ("//[::1]/", NOT_PUBLIC), ("//2130706434/", NUMERIC_HOST),
        ("//0x7f.2/", NUMERIC_HOST), ("http://inside.example/", NOT_PUBLIC), ("//inside.example/", NOT_PUBLIC),
        ("http://mixed.example/", NOT_PUBLIC), ("file:///etc/passwd", NOT_PLAIN_HTTP),
        ("gopher://127.0.0.1/", NOT_PLAIN_HTTP),
        ("data:image/png;base64,AAAA", NOT_PLAIN_HTTP), ("http://user:secret@media.example/", NOT_PLAIN_HTTP),
        ("http://[::1", FAILED), ("ftp://media.example/cat.png", NOT_PLAIN_HTTP),
    ],
)  # fmt: skip
def test_a_redirect_to_a_refused_url_is_not_followed(
    upstream: ScriptedUpstream, location: str, why: str
) -> None:
    """SR-036."""
    names = {"inside.example": [["10.0.0.1"]], "mixed.example": [["93.184.215.14", "10.0.0.1"]]}
    net = Net(names, connect=True)
    upstream.default = redirect(location)
    assert refusal(upstream.origin, HERE, net=net) == why
    assert net.connected == ["127.0.0.1"]


def test_the_number_of_redirects_is_limited(upstream: ScriptedUpstream) -> None:
    upstream.default = redirect("/again")
    assert refusal(upstream.origin, HERE) == "it was redirected more than 5 times"
    assert len(upstream.requests) == 6


def test_a_redirect_without_location_is_refused(upstream: ScriptedUpstream) -> None:
    upstream.default = text_body("Moved", 302)
    assert refusal(upstream.origin, HERE) == "its server answered with status 302"


# Responses


@pytest.mark.parametrize(
    "status", [201, 204, 206, 300, 304, 400, 401, 403, 404, 407, 429, 500, 503]
)
def test_other_statuses_than_200_are_refused(upstream: ScriptedUpstream, status: int) -> None:
    body = () if status in (204, 304) else (Body(PNG),)
    upstream.default = Reply(Status(status, {"content-type": "image/png"}), *body)
    assert refusal(upstream.origin, HERE) == f"its server answered with status {status}"


@pytest.mark.parametrize(
    ("content_type", "path", "kind"),
    [
        ("image/png", "/", "image/png"),
        ("IMAGE/JPEG; charset=binary", "/", "image/jpeg"),
        ("audio/mpeg", "/", "audio/mpeg"),
        ("video/mp4", "/", "video/mp4"),
        ("application/pdf", "/", "application/pdf"),
        ("text/plain; charset=utf-8", "/", "text/plain"),
        ("text/csv", "/", "text/csv"),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "/",
         "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("application/octet-stream", "/a/cat.jpg?signed=1", "image/jpeg"),
        ("binary/octet-stream", "/report.pdf", "application/pdf"),
        ("", "/song.mp3", "audio/mpeg"),
    ],
)  # fmt: skip
def test_the_media_type_is_returned(
    upstream: ScriptedUpstream, content_type: str, path: str, kind: str
) -> None:
    """A generic type of an object store is replaced by that of the file name."""
    upstream.default = Reply(Status(200, {"content-type": content_type}), Body(PNG))
    assert fetched(upstream.origin + path, HERE) == (kind, PNG)


@pytest.mark.parametrize(
    ("content_type", "path"),
    [
        ("text/html", "/cat.png"), ("application/json", "/"), ("application/octet-stream", "/"),
        ("application/octet-stream", "/index.html"), ("application/x-sh", "/"), ("multipart/form-data", "/"),
        ('image/png,"x"', "/"), ("image/", "/"), ("nonsense", "/"), ("", "/"), (None, "/"), ("image/\u00e9", "/"),
    ],
)  # fmt: skip
def test_other_content_types_are_refused(
    upstream: ScriptedUpstream, content_type: str | None, path: str
) -> None:
    """SR-036: a page of HTML would be given to the model to read."""
    head = "" if content_type is None else f"content-type: {content_type}\r\n"
    upstream.default = Reply(
        Raw(f"HTTP/1.1 200 OK\r\n{head}content-length: 6\r\n\r\nsecret".encode()), Close()
    )
    assert refusal(upstream.origin + path, HERE).startswith("its content type '")


@pytest.mark.parametrize("size", [0, 1, 9_999, 10_000])
def test_a_file_within_the_limit_is_complete(upstream: ScriptedUpstream, size: int) -> None:
    data = bytes(range(256)) * 40
    for body in (Body(data[:size]), Drip(data[:size], 999)):
        upstream.script(Reply(Status(200, {"content-type": "image/png"}), body))
        assert fetched(upstream.origin, HERE) == ("image/png", data[:size])


def test_a_file_one_byte_over_the_limit_is_refused(upstream: ScriptedUpstream) -> None:
    """SR-036: whether its length is announced or not."""
    head = Status(200, {"content-type": "image/png"})
    for reply in (
        Reply(head, Body(bytes(10_001))),
        Reply(head, Chunk(bytes(5_000)), Chunk(bytes(5_001))),
    ):
        upstream.script(reply)
        assert refusal(upstream.origin, HERE) == "it exceeds 10000 bytes"


ENDLESS = {
    "chunked": Reply(
        Status(200, {"content-type": "image/png"}), *[Chunk(bytes(1000))] * 200, Stall()
    ),
    "until it closes": Reply(
        Status(200, {"content-type": "image/png", "connection": "close"}),
        *[Body(bytes(1000))] * 200,
        Stall(),
    ),
    "announced": Reply(
        Status(200, {"content-type": "image/png", "content-length": "1000000000000"}), Stall()
    ),
}


@pytest.mark.parametrize("case", ENDLESS)
def test_a_file_over_the_limit_is_not_read_further(upstream: ScriptedUpstream, case: str) -> None:
    """SR-036: however it is framed; the connection is closed."""
    upstream.default = ENDLESS[case]

    async def work(fetcher: Fetcher) -> None:
        with pytest.raises(Unsupported, match="it exceeds 10000 bytes"):
            await fetcher.fetch(upstream.origin, PARAM)
        await asyncio.to_thread(upstream.wait_for_request().wait_closed)

    run(work, HERE)


FORGED = b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 6\r\n\r\nforged"


@pytest.mark.parametrize(
    "surplus", [b"more", FORGED, FORGED * 2], ids=["bytes", "an answer", "two answers"]
)
def test_surplus_bytes_do_not_become_part_of_another_file(
    upstream: ScriptedUpstream, surplus: bytes
) -> None:
    """The file with the wrong length may fail, but each file has a connection of its own."""
    upstream.script(
        Reply(Status(200, {"content-type": "image/png"}), Body(PNG), Raw(surplus)), IMAGE
    )

    async def twice(fetcher: Fetcher) -> None:
        with suppress(Unsupported):
            assert await fetcher.fetch(upstream.origin, PARAM) == ("image/png", PNG)
        assert await fetcher.fetch(upstream.origin, PARAM) == ("image/png", PNG)

    run(twice, HERE)
    assert [seen.connection for seen in upstream.requests] == [1, 2]


BROKEN = {
    "shorter than announced": Reply(
        Status(200, {"content-type": "image/png", "content-length": "99"}), Body(PNG), Close()
    ),
    "a chunk that breaks off": Reply(
        Status(200, {"content-type": "image/png"}), Chunk(PNG), Close()
    ),
    "no length": Reply(
        Raw(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: x\r\n\r\n"), Close()
    ),
    "two lengths": Reply(
        Raw(
            b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 4\r\ncontent-length: 2\r\n\r\nabcd"
        ),
        Close(),
    ),
    "no HTTP": Reply(Raw(b"SSH-2.0-OpenSSH_9.6\r\n"), Close()),
    "nothing": Reply(Close()),
    "endless headers": Reply(
        Raw(b"HTTP/1.1 200 OK\r\n" + b"x-a: " + b"a" * 100_000 + b"\r\n\r\n"), Close()
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_response_is_refused(upstream: ScriptedUpstream, case: str) -> None:
    upstream.default = BROKEN[case]
    assert refusal(upstream.origin, HERE) == FAILED


SLOW = {
    "no answer": Reply(),
    "half a head": Reply(Raw(b"HTTP/1.1 200 OK\r\n")),
    "half a body": Reply(Status(200, {"content-type": "image/png"}), Chunk(PNG)),
}


@pytest.mark.parametrize("case", SLOW)
def test_a_slow_server_times_out(upstream: ScriptedUpstream, case: str) -> None:
    """SR-036: and the connection is closed."""
    reached = Reached()
    upstream.default = Reply(SLOW[case], Wait(reached), Stall())

    async def work(fetcher: Fetcher) -> None:
        fetching = asyncio.ensure_future(fetcher.fetch(upstream.origin, PARAM))
        await asyncio.to_thread(reached.wait_until_reached)
        await skip_time(61)
        with pytest.raises(Unsupported, match="it did not arrive within 60 s"):
            await fetching
        await asyncio.to_thread(upstream.wait_for_request().wait_closed)

    run(work, HERE, timeout=60)


def test_a_trickling_body_times_out() -> None:
    """SR-036: the timeout is not restarted by each byte or redirect."""

    async def work(fetcher: Fetcher) -> None:
        async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\nconnection: close\r\n\r\n")
            try:
                while True:
                    writer.write(b"x")
                    await writer.drain()
                    await skip_time(25)
            finally:
                writer.transport.abort()

        async with await asyncio.start_server(trickle, "127.0.0.1") as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(Unsupported, match="it did not arrive within 60 s"):
                await fetcher.fetch(f"http://127.0.0.1:{port}/", PARAM)

    run(work, HERE, timeout=60)


def test_cancelling_a_fetch_closes_its_connection(upstream: ScriptedUpstream) -> None:
    """SR-059."""
    upstream.default = Reply(SLOW["half a body"], Stall())

    async def work(fetcher: Fetcher) -> None:
        task = asyncio.create_task(fetcher.fetch(upstream.origin, PARAM))
        seen = await asyncio.to_thread(upstream.wait_for_request)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(seen.wait_closed)

    run(work, HERE)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "identity, gzip"])
def test_compressed_files_are_refused(upstream: ScriptedUpstream, coding: str) -> None:
    """SR-036: a few bytes could expand to very many. No compression is requested."""
    bomb = gzip.compress(bytes(5_000_000))
    upstream.default = Reply(
        Status(200, {"content-type": "image/png", "content-encoding": coding}), Body(bomb)
    )
    assert (
        refusal(upstream.origin, HERE, max_bytes=10**5)
        == "it is compressed, although that was not requested"
    )
    assert upstream.requests[0].headers["accept-encoding"] == "identity"


# What is sent


def test_nothing_else_is_sent(upstream: ScriptedUpstream) -> None:
    """SR-005, SR-036: no cookie, no credential, nothing of the client's request."""
    upstream.default = Reply(
        Status(
            200,
            {"content-type": "image/png", "set-cookie": "a=b; Path=/", "www-authenticate": "Basic"},
        ),
        Body(PNG),
    )

    async def twice(fetcher: Fetcher) -> None:
        await fetcher.fetch(f"{upstream.origin}/cat.png?a=b%2Fc&d=%20", PARAM)
        await fetcher.fetch(upstream.origin, PARAM)

    run(twice, HERE)
    for seen in upstream.requests:
        assert seen.headers.keys() == {
            "host",
            "accept",
            "accept-encoding",
            "user-agent",
            "connection",
        }
        assert (seen.method, seen.body) == ("GET", b"")
    assert upstream.requests[0].path.startswith("/cat.png?a=b")


def test_proxies_and_netrc_are_not_used(
    upstreams: Callable[[], ScriptedUpstream], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """SR-036: a proxy would connect to any address."""
    upstream, proxy = upstreams(), upstreams()
    upstream.default = proxy.default = IMAGE
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.origin)
        monkeypatch.setenv(name.lower(), proxy.origin)
    netrc = tmp_path / "netrc"
    netrc.write_text(
        "machine 127.0.0.1 login me password secret\ndefault login me password secret\n"
    )
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    fetched(upstream.origin, HERE)
    assert refusal("http://10.0.0.1/cat.png", HERE) == NOT_PUBLIC
    assert proxy.requests == []
    assert "authorization" not in upstream.requests[0].headers


def test_https_is_encrypted() -> None:
    async def work(fetcher: Fetcher) -> None:
        async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 0\r\n\r\n")
            try:
                await writer.drain()
                await reader.read()
            finally:
                writer.transport.abort()

        async with await asyncio.start_server(plain, "127.0.0.1") as server:
            port = server.sockets[0].getsockname()[1]
            assert await fetcher.fetch(f"http://127.0.0.1:{port}/", PARAM) == ("image/png", b"")
            with pytest.raises(Unsupported, match=FAILED):
                await fetcher.fetch(f"https://127.0.0.1:{port}/", PARAM)

    run(work, HERE)


@pytest.mark.parametrize(
    "reply", [text_body("no", 403), redirect("http://10.0.0.1/?sig=secret"), text_body("a")]
)
def test_the_error_does_not_contain_the_url(upstream: ScriptedUpstream, reply: Reply) -> None:
    """SR-066: it may be signed."""
    upstream.default = reply
    url = f"{upstream.origin}/cat.png?sig=secret"
    assert "secret" not in (
        refusal(url) + refusal(url, "127.0.0.2/32") + refusal("http://10.0.0.1/?secret", HERE)
    )


def test_many_files_can_be_fetched_concurrently(upstream: ScriptedUpstream) -> None:
    upstream.default = IMAGE

    async def many(fetcher: Fetcher) -> list[tuple[str, bytes]]:
        return await asyncio.gather(
            *(fetcher.fetch(f"{upstream.origin}/{number}", PARAM) for number in range(50))
        )

    assert run(many, HERE) == [("image/png", PNG)] * 50
