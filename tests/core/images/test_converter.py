"""Images of requests are made smaller if llms.json says so: K-20, in every dialect."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from llms_core.images import converter, process, resize
from llms_core.server import background
from llms_core.testing import Body, Reply, ScriptedUpstream, Status, completion, json_body
from tests.core.images.conftest import data_uri, encoded, opened, picture
from tests.core.server.conftest import CHAT, Asking, until

if TYPE_CHECKING:
    from tests.conftest import Gateway, ProviderBlock, Serve

Ask = Callable[["Gateway"], Asking]
Json = dict[str, Any]

pytestmark = pytest.mark.slow  # real processes

CONVERT = {"image": {"max_size": "160x100", "max_length": 20_000}}
SMALL = encoded(picture(160, 100), "JPEG", quality=50)
LARGE = encoded(picture(320, 200), "PNG")
HEAVY = encoded(picture(160, 100), compress_level=0)
BROKEN = LARGE[:2000]

DIALECTS: dict[str, Callable[[bytes], tuple[str, Json]]] = {
    "chat completions": lambda data: (
        CHAT,
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": data_uri(data)}}],
                }
            ]
        },
    ),
    "chat completions, short": lambda data: (
        CHAT,
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": data_uri(data)}]}
            ]
        },
    ),
    "responses": lambda data: (
        "/v1/responses",
        {
            "input": [
                {"role": "user", "content": [{"type": "input_image", "image_url": data_uri(data)}]}
            ]
        },
    ),
    "messages": lambda data: (
        "/v1/messages",
        {"max_tokens": 10, "messages": [user_of_messages(data)]},
    ),
    "gemini": lambda data: (
        "/v1beta/models/m:generateContent",
        {
            "contents": [
                {
                    "parts": [
                        {
                            "inlineData": {
                                "mimeType": "image/png",
                                "data": base64.b64encode(data).decode(),
                            }
                        }
                    ]
                }
            ]
        },
    ),
}

ANSWER: Json = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "A cat."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 7},
}


def user_of_messages(data: bytes) -> Json:
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(data).decode()}
    return {"role": "user", "content": [{"type": "image", "source": source}]}


@pytest.fixture
def config(upstream: ScriptedUpstream, provider: ProviderBlock) -> Json:
    return {"convert": CONVERT, "providers": {"one": provider(upstream)}}


@pytest.fixture
def ask(config: Json, served: Serve, asking: Ask) -> Asking:
    return asking(served(config))


def send(ask: Asking, dialect: str, data: bytes) -> httpx.Response:
    path, body = DIALECTS[dialect](data)
    response = ask.post({"model": "m", **body}, path)
    assert response.status_code == 200, response.text
    return response


def image_sent(upstream: ScriptedUpstream) -> tuple[str, bytes]:
    """The media type and the file that a provider with OpenAI's JSON got."""
    [*_, part] = upstream.requests[-1].json["messages"][-1]["content"]
    url = part["image_url"]
    head, _, data = (url if isinstance(url, str) else url["url"]).partition(",")
    return head, base64.b64decode(data)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("data", [LARGE, HEAVY], ids=["too many pixels", "too many bytes"])
def test_an_image_that_is_too_large_is_made_smaller(
    ask: Asking, upstream: ScriptedUpstream, dialect: str, data: bytes
) -> None:
    """K-20."""
    send(ask, dialect, data)
    head, sent = image_sent(upstream)
    assert head == "data:image/jpeg;base64"
    assert opened(sent).size == (160, 100)
    assert len(sent) <= 20_000


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("data", [SMALL, b"no image"], ids=["fits", "no image"])
def test_any_other_image_stays_as_it_is(
    ask: Asking, upstream: ScriptedUpstream, dialect: str, data: bytes
) -> None:
    send(ask, dialect, data)
    assert image_sent(upstream)[1] == data


def test_the_rest_of_the_request_stays_as_it_is(ask: Asking, upstream: ScriptedUpstream) -> None:
    """Byte for byte."""
    uri = data_uri(LARGE)
    before = b'{"model":"m","messages":[{"role":"user","content":"\\u0041","x": 1.50},{"role":"user","content":['
    part = b'{"type":"image_url","image_url":{"detail": "low","url":"%b"}}'
    after = b'{"type":"text","text":"  What?"}]}],"top_p": 1.0}'
    ask.post(before + part % uri.encode() + b"," + after)
    sent = upstream.requests[-1].body
    for piece in (
        b'"\\u0041"',
        b"1.50",
        b'"low"',
        b'{"type":"text","text":"  What?"}',
        b'"top_p":1.0',
    ):
        assert piece in sent
    assert uri.encode() not in sent


def test_an_image_in_the_result_of_a_tool(ask: Asking, upstream: ScriptedUpstream) -> None:
    """As agents send screenshots."""
    use = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
    result = {
        "type": "tool_result",
        "tool_use_id": "toolu_1",
        "content": user_of_messages(LARGE)["content"],
    }
    messages = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
    ]
    response = ask.post({"model": "m", "max_tokens": 10, "messages": messages}, "/v1/messages")
    assert response.status_code == 200, response.text
    sent = json.dumps(upstream.requests[-1].json)
    assert base64.b64encode(LARGE).decode() not in sent
    assert "data:image/jpeg;base64," in sent


@pytest.mark.parametrize("data", [LARGE, SMALL], ids=["too large", "fits"])
def test_a_provider_of_the_clients_protocol(
    upstream: ScriptedUpstream, served: Serve, asking: Ask, data: bytes
) -> None:
    """What fits is passed on as the client wrote it; anything else is translated."""
    upstream.default = json_body(ANSWER)
    block = {
        "type": "anthropic",
        "base_url": upstream.base_url,
        "api_key": "sk-marked-x",
        "models": {"m": "claude-x"},
    }
    ask = asking(served({"convert": CONVERT, "providers": {"claude": block}}))
    path, body = DIALECTS["messages"](data)
    written = json.dumps({"model": "m", **body, "metadata": {}}).encode()
    assert ask.post(written, path).status_code == 200
    seen = upstream.requests[-1]
    source = seen.json["messages"][0]["content"][0]["source"]
    assert (seen.body == written.replace(b'"m"', b'"claude-x"', 1)) is (data is SMALL)
    assert opened(base64.b64decode(source["data"])).size == (160, 100)
    assert source["media_type"] == ("image/jpeg" if data is LARGE else "image/png")


def test_an_image_that_is_fetched(upstream: ScriptedUpstream, served: Serve, asking: Ask) -> None:
    """For a provider that takes bytes only."""
    upstream.routes["/cat.png"] = Reply(Status(200, {"content-type": "image/png"}), Body(LARGE))
    upstream.routes["/api/chat"] = json_body(
        {"message": {"content": "A cat."}, "done": True, "done_reason": "stop"}
    )
    block = {"type": "ollama", "base_url": upstream.origin, "models": {"m": "llava"}}
    toml = '[upstream]\nfetch_from = ["127.0.0.0/8"]\n'
    ask = asking(served({"convert": CONVERT, "providers": {"local": block}}, toml))
    part = {"type": "image_url", "image_url": {"url": f"{upstream.origin}/cat.png"}}
    response = ask.chat(messages=[{"role": "user", "content": [part]}])
    assert response.status_code == 200, response.text
    [image] = upstream.requests[-1].json["messages"][0]["images"]
    assert opened(base64.b64decode(image)).size == (160, 100)


def test_an_image_that_cannot_be_made_smaller_is_sent_as_it_is(
    ask: Asking, upstream: ScriptedUpstream
) -> None:
    """The provider decides, as it does without this; the log has the reason, once."""
    for _ in range(2):
        send(ask, "chat completions", BROKEN)
        assert image_sent(upstream)[1] == BROKEN
    lines = [line for line in ask.gateway.log().splitlines() if "is sent as it is" in line]
    assert len(lines) == 1
    assert "image file is truncated" in lines[0]


def test_requests_do_not_wait_for_the_images_of_others(
    ask: Asking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that never ends is ended after its time."""
    program, started = tmp_path / "program.py", tmp_path / "started"
    program.write_text(f"open({str(started)!r}, 'w').close()\nwhile True: pass\n", "utf-8")
    monkeypatch.setattr(resize, "__file__", str(program))
    monkeypatch.setattr(process, "TIMEOUT", 3.0)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(send, ask, "chat completions", LARGE)
        until(started.exists)
        assert ask.get("/health").status_code == 200
        assert ask.chat().status_code == 200
        assert not waiting.done()
        assert waiting.result().status_code == 200


def test_all_images_of_a_request_share_a_limit_of_time(
    ask: Asking, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converter, "REQUEST_TIMEOUT", 0.01)
    send(ask, "chat completions", LARGE)
    assert image_sent(upstream)[1] == LARGE
    assert "1 images of a request are sent as they are: there was no time left" in ask.gateway.log()


def test_the_same_image_is_made_smaller_once(
    ask: Asking, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conversation has its images in every request; the same bytes keep the provider's prompt cache."""
    send(ask, "chat completions", LARGE)
    first = image_sent(upstream)
    monkeypatch.setattr(sys, "executable", "/no/python")
    send(ask, "messages", LARGE)
    assert image_sent(upstream) == first


@pytest.mark.parametrize("convert", [None, {}, {"image": None}, {"image": {}}], ids=str)
def test_without_the_setting_nothing_happens(
    config: Json,
    upstream: ScriptedUpstream,
    served: Serve,
    asking: Ask,
    convert: Mapping[str, Any] | None,
) -> None:
    """K-20: llms.py does nothing for an empty object, either."""
    ask = asking(served({**config, "convert": convert}))
    send(ask, "chat completions", LARGE)
    assert image_sent(upstream)[1] == LARGE


def test_the_setting_may_be_in_defaults(
    config: Json, upstream: ScriptedUpstream, served: Serve, asking: Ask
) -> None:
    """K-19: as llms.py's documentation has it."""
    config["defaults"] = {"convert": config.pop("convert")}
    send(asking(served(config)), "chat completions", LARGE)
    assert opened(image_sent(upstream)[1]).size == (160, 100)


def test_a_change_of_the_setting_applies(
    config: Json, ask: Asking, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "_POLL_INTERVAL", 0.05)
    config["convert"] = {"image": {"max_size": "80x80"}}
    ask.gateway.config_path.write_text(json.dumps(config), "utf-8")
    until(lambda: "the configuration was reloaded" in ask.gateway.log())
    send(ask, "chat completions", LARGE)
    assert opened(image_sent(upstream)[1]).size == (80, 50)


def test_without_pillow_images_are_sent_as_they_are_and_the_start_says_so(
    config: Json,
    upstream: ScriptedUpstream,
    served: Serve,
    asking: Ask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """K-20."""
    monkeypatch.setitem(sys.modules, "PIL", None)
    ask = asking(served(config))
    send(ask, "chat completions", LARGE)
    assert image_sent(upstream)[1] == LARGE
    [warning] = [line for line in ask.gateway.log().splitlines() if "convert.image" in line]
    assert warning.startswith("WARNING")
    assert "pip install 'llms-core[images]'" in warning


def test_without_a_file_of_the_user_pillow_is_not_missed(
    served: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert "convert.image" not in served(None).log()


def test_other_operations_are_not_looked_at(ask: Asking, upstream: ScriptedUpstream) -> None:
    upstream.default = json_body({"results": [{"flagged": False}]})
    body = {"model": "m", "input": [{"type": "image_url", "image_url": {"url": data_uri(LARGE)}}]}
    assert ask.post(body, "/v1/moderations").status_code == 200
    assert upstream.requests[-1].json["input"] == body["input"]
    upstream.default = completion()
