"""The page at `/` (SR-083): providers, circuits and recent requests, as HTML that the server writes."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest

from llms_core import __version__
from llms_core.testing import ScriptedUpstream, error
from tests.core.server.conftest import NO_RETRIES, Asking

if TYPE_CHECKING:
    from tests.conftest import Gateway, Launch, ProviderBlock, Serve

Ask = Callable[["Gateway"], Asking]
ConfigOf = Callable[..., dict[str, Any]]

HOSTILE = '<script>alert("id")</script>'


def text_of(ask: Asking) -> str:
    """The page without its markup."""
    return unescape(re.sub(r"<[^>]+>", " ", ask.get("/").text))


def code(page: str, id: str) -> str:
    """What the page offers to copy."""
    found = re.search(rf'<code id="{id}">(.*?)</code>', page, re.DOTALL)
    assert found is not None
    return unescape(re.sub(r"<[^>]+>", "", found[1]))


def test_sr_083_the_page_shows_the_providers(ask: Asking) -> None:
    """SR-083: on the same port as the API, whose URL it shows."""
    response = ask.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert '<span class="name">first</span>' in response.text
    assert "1 model<" in response.text
    assert code(response.text, "base-url") == ask.gateway.base_url
    assert __version__ in response.text


def test_the_first_request_of_the_page_is_one_that_works(ask: Asking) -> None:
    curl, url, *options = shlex.split(code(ask.get("/").text, "curl"))
    assert (curl, url) == ("curl", f"{ask.gateway.base_url}/chat/completions")
    body = json.loads(options[options.index("-d") + 1])
    assert ask.post(body).status_code == 200


def test_a_model_whose_circuit_is_open_is_no_example(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    asking: Ask,
) -> None:
    upstream.routes["/chat/completions"] = error(500)
    config = config_of(one=provider(upstream, {"bad": "bad", "good": "good"}))
    ask = asking(served(config, f"{NO_RETRIES}[routing.breaker]\nfailures = 1\n"))
    ask.chat(model="bad")
    assert '"model": "good"' in code(ask.get("/").text, "curl")


def test_the_page_says_why_a_provider_is_not_enabled_and_how_to_enable_it(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    asking: Ask,
) -> None:
    config = config_of(
        on=provider(upstream),
        off=provider(upstream, enabled=False),
        groq={"type": "groq", "api_key": "$GROQ_API_KEY"},
    )
    page = asking(served(config)).get("/").text
    first, rest = page.split("Not enabled", 1)
    assert ">on<" in first
    assert '<code class="fix">llms enable off</code>' in rest
    assert '<code class="fix">export GROQ_API_KEY=…</code>' in rest


def test_without_a_provider_the_page_says_what_to_do(served: Serve, asking: Ask) -> None:
    page = text_of(asking(served({"providers": {}})))
    assert "no provider is enabled" in page
    assert "llms add" in page


def test_the_page_shows_requests_with_their_attempts_and_circuits(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    asking: Ask,
) -> None:
    with ScriptedUpstream() as failing:
        failing.default = error(500, "the provider quotes: my prompt")
        config = config_of(
            bad=provider(failing, {"m": "bad-m"}), good=provider(upstream, {"m": "good-m"})
        )
        ask = asking(served(config, f"{NO_RETRIES}[routing.breaker]\nfailures = 1\n"))
        ask.chat(messages=[{"role": "user", "content": "my prompt"}])
        page = ask.get("/").text
    attempts = re.findall(
        r'class="provider">(\w+)</span><code>([\w-]+)</code><span class="(\w+)">', page
    )
    assert attempts == [("bad", "bad-m", "failed"), ("good", "good-m", "good")]
    assert re.search(
        r'<td>bad</td><td><code>bad-m</code></td><td>chat</td><td><span class="state bad">open',
        page,
    )
    assert "my prompt" not in page


def test_the_page_is_only_sent_again_when_something_has_changed(ask: Asking) -> None:
    etag = ask.get("/").headers["etag"]
    assert ask.get("/", {"if-none-match": etag}).status_code == 304
    ask.chat()
    assert ask.get("/", {"if-none-match": etag}).status_code == 200


def test_sr_083_the_page_escapes_what_comes_from_files_clients_and_plugins(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    asking: Ask,
) -> None:
    config = config_of(
        **{
            HOSTILE: provider(upstream, {f"{HOSTILE}'; reboot; '": HOSTILE}),
            "two": {**provider(upstream), "type": "odd"},
            f"three{HOSTILE}": provider(upstream, enabled=False),
        }
    )
    plugins = "[types.odd]\ntitle = '<img src=x onerror=alert(1)>'\n"
    ask = asking(served(config, plugins))
    ask.chat(model=f"{HOSTILE}'; reboot; '")
    ask.chat(model=f"{HOSTILE} is no model")
    page = ask.get("/", {"host": ask.gateway.origin.removeprefix("http://")}).text
    assert "&lt;script&gt;alert(&quot;id&quot;)" in page
    assert "&lt;img src=x" in page
    assert (
        re.findall(r"<script(?! type=\"module\" src=\"/assets/)|<img(?! src=\"/assets/)", page)
        == []
    )
    assert shlex.split(code(page, "curl"))[-2] == "-d"


def test_a_provider_with_very_many_models_does_not_make_the_page_large(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    asking: Ask,
) -> None:
    models = {f"model-{number}": "m" for number in range(5000)}
    page = asking(served(config_of(one=provider(upstream, models)))).get("/").text
    assert "5000 models" in page
    assert "and 4900 more" in page
    assert len(page) < 50_000


@pytest.mark.parametrize("host", ['evil"; reboot; "', "$(reboot)", "`reboot`"])
def test_the_command_contains_nothing_of_a_host_that_is_none(
    asking: Ask, served: Serve, host: str
) -> None:
    """Where keys are configured, any name is accepted."""
    plugins = f'[server.keys]\nada = "sha256:{"0" * 64}"\n'
    response = asking(served({"providers": {}}, plugins)).get(
        "/", {"host": host, "accept": "text/html"}
    )
    assert "reboot" not in response.text


def test_a_server_of_several_processes_says_that_the_page_shows_one_of_them(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    gateway: Launch,
    asking: Ask,
) -> None:
    ask = asking(gateway(config_of(one=provider(upstream)), args=["--workers", "2"]))
    page = text_of(ask)
    assert re.search(r"This page shows process \d+\. The server has 2", page)
