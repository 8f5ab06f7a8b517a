"""Media that a client names by URL, for an adapter whose provider takes bytes: fetched, and put in as data URIs."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
from clock import Clock

from llms_core.contracts.request import ChatBody, CommonPart, decode
from llms_core.errors import Unsupported
from llms_core.operations import inlining
from llms_core.testing import (
    Body,
    Reply,
    ScriptedUpstream,
    Stall,
    Status,
    completion,
    error,
    text_body,
)

if TYPE_CHECKING:
    from tests.conftest import Config, ProviderBlock, Serve, ThreadGateway

PNG = b"\x89PNG\r\n\x1a\n and so on"
ALL = frozenset({"image_url", "video_url", "audio_url", "input_audio", "file"})

PartJson = dict[str, Any]


def asked(*parts: PartJson, **more: object) -> ChatBody:
    body = {"model": "m", "messages": [{"role": "user", "content": [*parts]}], **more}
    return decode(json.dumps(body).encode())


def image(url: str, **more: object) -> PartJson:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def text(words: str = "What is this?") -> PartJson:
    return {"type": "text", "text": words}


def data_uri(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


class Store:
    """Files by URL, in the place of the guarded fetch; it notes what it was asked, and how much of it at once."""

    def __init__(self, files: Mapping[str, tuple[str, bytes]]) -> None:
        self._files = files
        self.asked: list[tuple[str, str]] = []
        self.at_once = self.most_at_once = self.cancelled = 0

    async def fetch(self, url: str, param: str) -> tuple[str, bytes]:
        self.asked.append((url, param))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0 if url in self._files else 0.01)
            if url not in self._files:
                raise Unsupported("not there", param=param)
            if self._files[url][0] == "never":
                await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.at_once -= 1
        return self._files[url]


def inline(request: ChatBody, store: Store, types: frozenset[str] = ALL) -> ChatBody:
    with asyncio.Runner(loop_factory=Clock) as runner:
        return runner.run(inlining.inline(request, types, store.fetch))


def content(request: ChatBody, message: int = 0) -> Any:
    """A message's content as it is sent; the typed view has to show the same."""
    sent = msgspec.json.decode(request.members["messages"])[message]["content"]
    assert request.view.messages[message].content == msgspec.convert(sent, str | list[CommonPart])
    return sent


def urls(request: ChatBody, message: int = 0) -> list[str]:
    """Those of a message's images."""
    return [
        part["image_url"]["url"]
        for part in content(request, message)
        if part["type"] == "image_url"
    ]


CAT = "https://media.example/cat.png"


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        (image(CAT, detail="low"), {"type": "image_url", "image_url": {"url": data_uri(PNG), "detail": "low"}}),
        ({"type": "image_url", "image_url": CAT}, {"type": "image_url", "image_url": data_uri(PNG)}),
        ({"type": "video_url", "video_url": {"url": CAT}}, {"type": "video_url", "video_url": {"url": data_uri(PNG)}}),
        ({"type": "audio_url", "audio_url": CAT}, {"type": "audio_url", "audio_url": data_uri(PNG)}),
        ({"type": "input_audio", "input_audio": {"data": CAT, "format": "mp3"}},
         {"type": "input_audio", "input_audio": {"data": data_uri(PNG), "format": "mp3"}}),
        ({"type": "file", "file": {"file_data": CAT, "filename": "a.pdf"}},
         {"type": "file", "file": {"file_data": data_uri(PNG), "filename": "a.pdf"}}),
    ],
    ids=lambda value: value["type"] if "data:" not in str(value) else "",
)  # fmt: skip
def test_a_url_becomes_a_data_uri(part: PartJson, wanted: PartJson) -> None:
    """SR-036, SR-037, SR-038: in every part that may have one; what stands beside it stays."""
    store = Store({CAT: ("image/png", PNG)})
    request = asked(text("Look:"), part, text("What is it?"), temperature=0.5)
    made = inline(request, store)
    assert content(made) == [text("Look:"), wanted, text("What is it?")]
    assert msgspec.structs.replace(made.view, messages=request.view.messages) == request.view
    member = (
        "image_url.url"
        if part["type"] == "image_url" and isinstance(part["image_url"], dict)
        else None
    )
    assert store.asked[0][0] == CAT
    assert store.asked[0][1].startswith(f"messages[0].content[1].{member or part['type']}")


def test_the_request_itself_is_not_changed() -> None:
    """SR-075: the next candidate gets it as the client wrote it."""
    request = asked(image(CAT))
    before = dict(request.members)
    inline(request, Store({CAT: ("image/png", PNG)}))
    assert request.members == before
    assert content(request) == [image(CAT)]


@pytest.mark.parametrize(
    "part",
    [
        text(),
        image(data_uri(PNG)),
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "video_url", "video_url": {"url": CAT}},  # a type that was not asked for
        {"type": "text", "text": "x", "image_url": {"url": CAT}},  # a member that is not the part's
        {"type": "image_url", "image_url": {"url": data_uri(PNG)}, "file": {"file_data": CAT}},
        {"type": "image_url"},
        {"type": "of tomorrow", "tomorrow": {"url": CAT}},
    ],
)
def test_what_has_no_url_to_fetch_stays_the_same_object(part: PartJson) -> None:
    """SR-036: nothing is copied, and nothing asked."""
    store = Store({})
    request = asked(part)
    assert inline(request, store, frozenset({"image_url", "input_audio", "file"})) is request
    assert store.asked == []


def test_members_that_no_contract_declares_survive() -> None:
    """SR-026: the file is put in, and everything else is sent as the client wrote it."""
    unusual = '{"role":"user","content":[{"type":"image_url","image_url":{"url":"%s"},"weight":1.50}],"x":1e2}'
    body = '{"model":"m","messages":[{"role":"user","content":"Hi","y":1E1},%s]}'
    made = inline(decode((body % unusual % CAT).encode()), Store({CAT: ("image/png", PNG)}))
    first = '{"role":"user","content":"Hi","y":1E1}'
    assert bytes(made.members["messages"]).decode() == f"[{first},{unusual % data_uri(PNG)}]"


def test_text_messages_pass() -> None:
    body = {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief"}, {"role": "assistant"}],
    }
    request = decode(json.dumps(body).encode())
    assert inline(request, Store({})) is request


def test_every_message_is_looked_at_and_each_url_fetched_once() -> None:
    dog = "https://media.example/dog.jpg"
    body = {
        "model": "m",
        "messages": [
            {"role": "user", "content": [text(), image(CAT), image(dog)]},
            {"role": "assistant", "content": "A cat and a dog."},
            {"role": "user", "content": [image(CAT), image(data_uri(b"inline"))]},
        ],
    }
    store = Store({CAT: ("image/png", PNG), dog: ("image/jpeg", b"dog")})
    made = inline(decode(json.dumps(body).encode()), store)
    assert urls(made, 0) == [data_uri(PNG), data_uri(b"dog", "image/jpeg")]
    assert made.view.messages[1].content == "A cat and a dog."
    assert urls(made, 2) == [data_uri(PNG), data_uri(b"inline")]
    assert sorted(store.asked) == [
        (CAT, "messages[0].content[1].image_url.url"),
        (dog, "messages[0].content[2].image_url.url"),
    ]


def test_files_are_fetched_a_few_at_once() -> None:
    names = [f"https://media.example/{number}.png" for number in range(30)]
    store = Store({name: ("image/png", name.encode()) for name in names})
    made = inline(asked(*map(image, names)), store)
    assert urls(made) == [data_uri(name.encode()) for name in names]
    assert 1 < store.most_at_once <= 4


def test_a_request_may_not_name_any_number_of_files() -> None:
    """SR-036: bounded in number; none is asked for then."""
    names = [f"https://media.example/{number}.png" for number in range(inlining.MAX_FILES + 1)]
    store = Store(dict.fromkeys(names, ("image/png", b"")))
    with pytest.raises(Unsupported, match=r"contains 101 URLs of files; at most 100 are fetched"):
        inline(asked(*map(image, names)), store)
    assert store.asked == []
    inline(asked(*map(image, names[1:])), store)


def test_the_files_of_a_request_have_a_bound_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """SR-036: bounded in size, however small each is."""
    monkeypatch.setattr(inlining, "MAX_BYTES", 100)
    names = [f"https://media.example/{number}.png" for number in range(11)]
    store = Store(dict.fromkeys(names, ("image/png", bytes(10))))
    inline(asked(*map(image, names[1:])), store)
    with pytest.raises(Unsupported, match="exceed 100 bytes in total"):
        inline(asked(*map(image, names)), store)


def test_where_one_file_cannot_be_had_the_others_are_given_up() -> None:
    """SR-036: the request is not sent without it."""
    slow = "https://media.example/slow.png"
    store = Store({slow: ("never", b"")})
    with pytest.raises(Unsupported) as caught:
        inline(asked(image(slow), image("https://media.example/gone.png")), store)
    assert caught.value.param == "messages[0].content[1].image_url.url"
    assert (store.cancelled, store.at_once) == (1, 0)


# Through the running server, with a provider that takes bytes only

ADAPTER = """
from llms_core import hookimpl
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import ProviderSpec


class BytesOnly(OpenAICompatible):
    inlines = frozenset({"image_url", "file"})


@hookimpl
def llms_providers():
    return [ProviderSpec(name="bytes-only", title="Bytes only", adapter=BytesOnly)]
"""

Ask = Callable[..., httpx.Response]


@pytest.fixture
def media(upstreams: Callable[[], ScriptedUpstream]) -> ScriptedUpstream:
    """A server of files on this machine."""
    server = upstreams()
    server.default = Reply(Status(200, {"content-type": "image/png"}), Body(PNG))
    return server


@pytest.fixture
def serve(served: Serve, tmp_path: Path) -> Callable[..., ThreadGateway]:
    """Makes a gateway that has the adapter; `more` is what else plugins.toml says."""
    plugin = tmp_path / "bytes_only.py"
    plugin.write_text(ADAPTER, "utf-8")

    def make(
        config: Config, more: str = '[upstream]\nfetch_from = ["127.0.0.0/8"]\n'
    ) -> ThreadGateway:
        return served(
            config, f"[plugins]\nload = ['{plugin}']\n[routing.retry]\nattempts = 0\n{more}"
        )

    return make


def ask(
    gateway: ThreadGateway, *parts: PartJson, timeout: float = 10, **more: object
) -> httpx.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": [*parts]}], **more}
    return httpx.post(
        f"{gateway.base_url}/chat/completions", json=body, trust_env=False, timeout=timeout
    )


def sent(upstream: ScriptedUpstream) -> Any:
    return [
        {name: value for name, value in part.items() if value is not None}
        for part in upstream.requests[-1].json["messages"][0]["content"]
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_a_provider_that_takes_bytes_gets_them(
    serve: Callable[..., ThreadGateway], provider: ProviderBlock, config_of: Callable[..., Config],
    upstream: ScriptedUpstream, media: ScriptedUpstream, stream: bool,
) -> None:  # fmt: skip
    """SR-036: by URL from the client, as data to the provider; nothing of the client's request goes to the server."""
    gateway = serve(config_of(first=provider(upstream, type="bytes-only")))
    answer = ask(gateway, text(), image(f"{media.origin}/cat.png"), stream=stream)
    assert answer.status_code == 200
    assert "Hello!" in answer.text
    assert sent(upstream)[1]["image_url"]["url"] == data_uri(PNG)
    assert [(seen.method, seen.path) for seen in media.requests] == [("GET", "/cat.png")]
    assert not {"authorization", "cookie", "x-request-id"} & media.requests[0].headers.keys()


OTHERS = '[upstream]\nfetch_from = ["127.0.0.2/32", "10.0.0.0/8"]\n'


@pytest.mark.parametrize("network", ["", OTHERS], ids=["none is allowed", "others are allowed"])
def test_without_leave_nothing_of_this_machine_is_fetched(
    serve: Callable[..., ThreadGateway], provider: ProviderBlock, config_of: Callable[..., Config],
    upstream: ScriptedUpstream, media: ScriptedUpstream, network: str,
) -> None:  # fmt: skip
    """SR-036: a 400 that names the member; neither server is asked anything."""
    gateway = serve(config_of(first=provider(upstream, type="bytes-only")), network)
    private = [media.origin, media.origin.replace("127.0.0.1", "localhost"), "http://[::1]/", "http://169.254.169.254/",
            "http://2130706433/", "http://[::ffff:7f00:1]/", "http://0.0.0.0/"]  # fmt: skip
    for url in private:
        answer = ask(gateway, text(), image(url))
        assert answer.status_code == 400
        problem = answer.json()["error"]
        assert (problem["type"], problem["param"]) == (
            "invalid_request_error",
            "messages[0].content[1].image_url.url",
        )
        assert "was not fetched" in problem["message"]
        assert url not in problem["message"]
    assert (upstream.requests, media.requests) == ([], [])


def test_a_redirect_to_this_machine_is_not_followed(
    serve: Callable[..., ThreadGateway], provider: ProviderBlock, config_of: Callable[..., Config],
    upstream: ScriptedUpstream, media: ScriptedUpstream, upstreams: Callable[[], ScriptedUpstream],
) -> None:  # fmt: skip
    """SR-036."""
    inside = upstreams()
    for location in (
        inside.origin.replace("127.0.0.1", "[::1]"),
        "http://10.0.0.1/",
        "//169.254.169.254/",
    ):
        media.script(Reply(Status(302, {"location": location}), Body(b"")))
    gateway = serve(
        config_of(first=provider(upstream, type="bytes-only")),
        '[upstream]\nfetch_from = ["127.0.0.1/32"]',
    )
    for _ in range(3):
        assert ask(gateway, image(f"{media.origin}/cat.png")).status_code == 400
    assert (upstream.requests, inside.requests) == ([], [])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", [text_body("gone", 404), text_body("<html>", media="text/html")])
def test_a_provider_that_takes_urls_is_asked_where_a_file_cannot_be_had(
    serve: Callable[..., ThreadGateway], provider: ProviderBlock, config_of: Callable[..., Config],
    upstreams: Callable[[], ScriptedUpstream], media: ScriptedUpstream, fault: Reply, stream: bool,
) -> None:  # fmt: skip
    """SR-036, SR-072: it gets the URL as the client wrote it."""
    media.default = fault
    first, second = upstreams(), upstreams()
    gateway = serve(config_of(first=provider(first, type="bytes-only"), second=provider(second)))
    part = image(f"{media.origin}/cat.png", detail="high")
    answer = ask(gateway, text(), part, stream=stream)
    assert answer.status_code == 200
    assert first.requests == []
    assert second.requests[0].json["messages"][0]["content"] == [text(), part]


def test_what_was_fetched_for_one_provider_does_not_reach_the_next(
    serve: Callable[..., ThreadGateway], provider: ProviderBlock, config_of: Callable[..., Config],
    upstreams: Callable[[], ScriptedUpstream], media: ScriptedUpstream,
) -> None:  # fmt: skip
    """SR-075."""
    first, second = upstreams(), upstreams()
    first.default = error(500)
    gateway = serve(config_of(first=provider(first, type="bytes-only"), second=provider(second)))
    part = image(f"{media.origin}/cat.png")
    assert ask(gateway, part).status_code == 200
    assert sent(first)[0]["image_url"]["url"] == data_uri(PNG)
    assert second.requests[0].json["messages"][0]["content"] == [part]


def test_a_provider_that_takes_urls_fetches_them_itself(
    serve: Callable[..., ThreadGateway], provider: ProviderBlock, config_of: Callable[..., Config],
    upstream: ScriptedUpstream, media: ScriptedUpstream,
) -> None:  # fmt: skip
    """SR-036: the gateway asks no address that it need not."""
    gateway = serve(config_of(first=provider(upstream)))
    assert ask(gateway, image(f"{media.origin}/cat.png")).status_code == 200
    assert media.requests == []


def test_a_slow_file_counts_in_the_providers_time(
    serve: Callable[..., ThreadGateway], provider: ProviderBlock, config_of: Callable[..., Config],
    upstreams: Callable[[], ScriptedUpstream], media: ScriptedUpstream,
) -> None:  # fmt: skip
    """SR-036, SR-072: and the next is asked; the connection to the slow server is closed."""
    media.default = Reply(Status(200, {"content-type": "image/png"}), Stall())
    first, second = upstreams(), upstreams()
    second.default = completion("from the second")
    limits = "[timeouts.provider.first]\nfirst_token = 1\ntotal = 1\n"
    config = config_of(first=provider(first, type="bytes-only"), second=provider(second))
    gateway = serve(config, f'{limits}[upstream]\nfetch_from = ["127.0.0.0/8"]\n')
    answer = ask(gateway, image(f"{media.origin}/cat.png"))
    assert "from the second" in answer.text
    assert "first;error=timeout" in answer.headers["x-llms-attempts"]
    media.wait_for_request().wait_closed()


def test_a_client_that_leaves_ends_the_fetch(
    serve: Callable[..., ThreadGateway], provider: ProviderBlock, config_of: Callable[..., Config],
    upstream: ScriptedUpstream, media: ScriptedUpstream,
) -> None:  # fmt: skip
    """SR-059."""
    media.default = Reply(Status(200, {"content-type": "image/png"}), Stall())
    gateway = serve(config_of(first=provider(upstream, type="bytes-only")))
    with pytest.raises(httpx.ReadTimeout):
        ask(gateway, image(f"{media.origin}/cat.png"), timeout=2)
    media.wait_for_request().wait_closed()
    assert upstream.requests == []
