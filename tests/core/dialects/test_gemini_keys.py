"""Keys of Gemini's clients: in a header of their own, or in the URL, which must not show anywhere."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from google import genai
from google.genai import errors, types

from llms_core.testing import ScriptedUpstream, completion
from tests.core.server.conftest import NO_RETRIES, Pair, running

if TYPE_CHECKING:
    from tests.conftest import Gateway, ProviderBlock, Serve

KEY = "sk-of-ada+/é"
QUERY = "key=sk-of-ada%2B%2F%C3%A9"
GENERATE = "/v1beta/models/m:generateContent"
STREAM = "/v1beta/models/m:streamGenerateContent"
HELLO = {"contents": [{"parts": [{"text": "Hello!"}]}]}
TOML = (
    f'{NO_RETRIES}[server.keys]\nada = "sha256:{hashlib.sha256(KEY.encode()).hexdigest()}"\n'
    '[server]\norigins = ["https://app.example"]\n'
)


def log_of(gateway: Gateway) -> str:
    """What the gateway has logged, without the lines of the tests' own client, which is in the same process."""
    return "".join(
        line
        for line in gateway.log().splitlines(keepends=True)
        if not line.startswith("INFO httpx ")
    )


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with running(tmp_path_factory.mktemp("keys"), TOML) as started:
        started.upstream.default = completion("Hello, too!")
        yield started


@pytest.fixture
def http(pair: Pair) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=pair.gateway.origin, timeout=20, trust_env=False) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (GENERATE, {b"x-goog-api-key": KEY.encode()}),
        (GENERATE, {b"authorization": f"Bearer {KEY}".encode()}),
        (f"{GENERATE}?{QUERY}", {}),
        (f"{STREAM}?alt=sse&{QUERY}", {}),
        (f"{STREAM}?{QUERY}&alt=sse", {}),
        (f"/v1/models/m:generateContent?{QUERY}", {}),
        (f"{GENERATE}?key=other&{QUERY}", {b"x-goog-api-key": KEY.encode()}),
    ],
)
def test_a_key_is_accepted(http: httpx.Client, path: str, headers: dict[bytes, bytes]) -> None:
    response = http.post(path, json=HELLO, headers=headers)
    assert response.status_code == 200, response.text
    assert ("alt=sse" in path) == response.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("path", ["/v1beta/models", "/v1beta/models/m"])
def test_models_are_listed_with_a_key_in_the_url(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code == 401
    assert http.get(f"{path}?{QUERY}").status_code == 200


@pytest.mark.parametrize(
    "query", ["", "?key=", "?key=wrong", "?Key=sk-of-ada%2B%2F%C3%A9", "?key=%FF"]
)
def test_every_other_key_is_refused_with_googles_error(http: httpx.Client, query: str) -> None:
    response = http.post(GENERATE + query, json=HELLO)
    assert response.status_code == 401
    assert response.json()["error"]["status"] == "UNAUTHENTICATED"


def test_the_sdk_gets_the_error(pair: Pair) -> None:
    options = types.HttpOptions(base_url=pair.gateway.origin, timeout=20_000)
    with (
        genai.Client(api_key="wrong", http_options=options) as client,
        pytest.raises(errors.ClientError) as raised,
    ):
        client.models.generate_content(model="m", contents="Hello!")
    assert raised.value.status == "UNAUTHENTICATED"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/models", "/ready"])
def test_other_paths_take_no_key_from_the_url(http: httpx.Client, path: str) -> None:
    response = (
        http.get(path, params=QUERY)
        if path in ("/v1/models", "/ready")
        else http.post(f"{path}?{QUERY}")
    )
    assert response.status_code == 401 or "providers" not in response.json()


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("POST", GENERATE, b"{"),
        ("POST", "/v1beta/models/unknown:generateContent", json.dumps(HELLO).encode()),
        ("POST", "/v1beta/models/m:other", b"{}"),
        ("GET", "/v1beta/models/unknown", b""),
        ("GET", "/v1beta/models?pageSize=x", b""),
        ("PUT", GENERATE, b""),
        ("POST", "/v1beta/nothing", b""),
        ("GET", f"/v1beta/models/{'m' * 5000}", b""),
        ("POST", GENERATE, json.dumps(HELLO).encode()),
    ],
)
def test_a_key_in_the_url_shows_nowhere(
    http: httpx.Client, pair: Pair, method: str, path: str, content: bytes
) -> None:
    separator = "&" if "?" in path else "?"
    response = http.request(method, f"{path}{separator}{QUERY}", content=content)
    shown = response.text + str(response.headers) + log_of(pair.gateway)
    for request in pair.upstream.requests:
        shown += f"{request.path} {request.headers} {request.body!r}"
    assert "sk-of-ada" not in shown


def test_plugins_get_the_key_as_a_header_and_no_url_with_it(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: Callable[..., dict[str, Any]],
    served: Serve,
    plugin: Callable[[str], str],
) -> None:
    """llms_authenticate"""
    load = plugin(
        "from llms_core.records import Caller\n"
        "RECORDS = []\n"
        "@hookimpl\n"
        "def llms_authenticate(headers):\n"
        "    return Caller('eve') if headers.get('x-goog-api-key') == 'of-eve' else None\n"
        "@hookimpl\n"
        "def llms_request_finished(record):\n"
        "    RECORDS.append(record)\n"
    )
    gateway = served(config_of(first=provider(upstream)), load)
    with httpx.Client(base_url=gateway.origin, timeout=20, trust_env=False) as client:
        assert client.post(f"{GENERATE}?key=of-eve", json=HELLO).status_code == 200
        assert client.post(f"{GENERATE}?key=of-eva", json=HELLO).status_code == 401
    records = str(sys.modules["llms_plugin_of_test"].RECORDS)
    assert "eve" in records
    assert "of-eve" not in records + log_of(gateway)


def test_web_pages_that_are_admitted_may_use_it(http: httpx.Client) -> None:
    page = {"origin": "https://app.example"}
    asked = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-goog-api-key,content-type",
    }
    allowed = http.options(f"{GENERATE}?{QUERY}", headers=page | asked)
    assert allowed.status_code == 204
    assert "x-goog-api-key" in allowed.headers["access-control-allow-headers"]
    response = http.post(f"{GENERATE}?{QUERY}", json=HELLO, headers=page)
    assert response.headers["access-control-allow-origin"] == "https://app.example"


def test_other_web_pages_get_googles_error(tmp_path: Path) -> None:
    with running(tmp_path, NO_RETRIES) as pair:
        response = httpx.post(
            f"{pair.gateway.origin}{GENERATE}?{QUERY}",
            json=HELLO,
            headers={"origin": "https://evil.example"},
            trust_env=False,
        )
        assert response.status_code == 403
        assert response.json()["error"]["status"] == "PERMISSION_DENIED"
        assert "sk-of-ada" not in response.text + log_of(pair.gateway)
