"""Ollama: its addresses, its models, and what it cannot do."""

from __future__ import annotations

import msgspec
import pytest

from llms_core import ProviderError, Unsupported
from llms_core.contracts.request import ChatCall, decode
from llms_core.provider import Discovers, ProviderSettings, UpstreamRequest
from llms_core.secret import Secret
from llms_providers.ollama import OLLAMA, Ollama


def ollama(base_url: str = "", api_key: str | None = None) -> Ollama:
    secret = Secret(api_key) if api_key else None
    return Ollama(OLLAMA, ProviderSettings(id="ollama", base_url=base_url, api_key=secret))


def sent(adapter: Ollama, content: object = "Hi", **members: object) -> UpstreamRequest:
    body = {"model": "m", "messages": [{"role": "user", "content": content}], **members}
    request, raw = decode(msgspec.json.encode(body))
    call = ChatCall(request=request, members=raw, model="llama3:latest", name="llama3", id="1", created=1)
    return adapter.request(call)


@pytest.mark.parametrize(
    "base_url",
    ["", "http://localhost:11434", "http://localhost:11434/", "http://localhost:11434/v1", "http://localhost:11434/v1/"],
)
def test_the_address_is_the_servers_with_v1_or_without(base_url: str) -> None:
    """SR-104, SR-114."""
    assert sent(ollama(base_url)).url == "http://localhost:11434/v1/chat/completions"
    asked = ollama(base_url).models_request()
    assert (asked.method, asked.url) == ("GET", "http://localhost:11434/api/tags")


def test_no_key_is_needed_and_one_is_sent_where_it_is_set() -> None:
    """SR-118: no key; a proxy in front of it may want one."""
    assert not OLLAMA.needs_key
    assert "authorization" not in sent(ollama()).headers
    assert sent(ollama(api_key="behind-a-proxy")).headers["authorization"] == "Bearer behind-a-proxy"


def test_models_are_those_that_were_pulled() -> None:
    """SR-118, K-10: `:latest` is stripped for clients; Ollama is told the whole name."""
    body = b'{"models": [{"name": "llama3:latest", "size": 1}, {"name": "qwen3:8b", "model": "qwen3:8b"}]}'
    adapter = ollama()
    assert isinstance(adapter, Discovers)
    assert adapter.models(body) == {"llama3": "llama3:latest", "qwen3:8b": "qwen3:8b"}
    assert adapter.models(b'{"models": []}') == {}


@pytest.mark.parametrize("body", [b"", b"[]", b'{"models": [{}]}', b'{"models": null}', b"\xff", b"<html>"])
def test_a_list_of_models_that_makes_no_sense(body: bytes) -> None:
    with pytest.raises(ProviderError, match="The list of models makes no sense"):
        ollama().models(body)


def test_parameters_that_it_does_not_know_are_renamed_or_reported() -> None:
    request = sent(ollama(), max_completion_tokens=5, logit_bias={"1": 2}, tool_choice="auto", seed=1)
    body = msgspec.json.decode(request.content)
    assert (body["max_tokens"], body["seed"], body["model"]) == (5, 1, "llama3:latest")
    assert {"max_completion_tokens", "logit_bias", "tool_choice"}.isdisjoint(body)
    assert request.dropped == ("logit_bias", "tool_choice")


@pytest.mark.parametrize("wrap", [True, False])
def test_an_image_by_url_is_unsupported(wrap: bool) -> None:
    """Ollama fetches nothing: said before the network is touched, so that the next candidate is tried."""
    url = "https://example.com/cat.png"
    part = {"type": "image_url", "image_url": {"url": url} if wrap else url}
    with pytest.raises(Unsupported, match="data URIs"):
        sent(ollama(), [part])


def test_an_image_as_data_goes_through() -> None:
    """SR-035."""
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    assert b"iVBORw0KGgo=" in sent(ollama(), [{"type": "text", "text": "What is it?"}, part]).content
