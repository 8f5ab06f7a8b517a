"""Web pages: without keys, those of other sites cannot use the gateway; `[server] origins` admits some."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llms_core.server.app import create_app
from llms_core.testing import ScriptedUpstream, error
from tests.core.server.conftest import (
    CHAT,
    HELLO,
    TEXT,
    Asking,
    Pair,
    Wire,
    error_of,
    request_of,
    running,
)
from tests.core.server.test_authenticate import KEY, KEYS

if TYPE_CHECKING:
    from tests.conftest import Gateway

Ask = Callable[["Gateway"], Asking]
Connect = Callable[["Gateway"], Wire]

APP = "https://app.example"
CORS = f'[server]\norigins = ["{APP}", "app://obsidian.md"]\nhosts = ["gateway.example"]\n'
BODY = {"model": "m", "messages": HELLO}


@pytest.fixture(scope="module")
def admitting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A gateway without keys that admits two origins and has a further name."""
    with running(tmp_path_factory.mktemp("admitting"), CORS) as pair:
        yield pair


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A gateway with keys that admits two origins."""
    with running(tmp_path_factory.mktemp("closed"), CORS + KEYS) as pair:
        yield pair


@pytest.fixture
def page(admitting: Pair, asking: Ask) -> Asking:
    """A client of `admitting`, with no requests recorded at the provider."""
    admitting.upstream.requests.clear()
    return asking(admitting.gateway)


# Other sites


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:1"},
        {"origin": "https://app.example.evil.example"},
        {"origin": "http://evil.example", "sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "content-type": "text/plain"},
        {
            "sec-fetch-site": "cross-site",
            "sec-fetch-mode": "navigate",
            "sec-fetch-dest": "document",
        },
    ],
    ids=str,
)
@pytest.mark.parametrize("path", [CHAT, TEXT, f"{CHAT}/"])
def test_a_page_of_another_site_is_refused(
    ask: Asking, first: ScriptedUpstream, headers: dict[str, str], path: str
) -> None:
    """Whatever the browser lets it send, such as a form or text; the error says how to admit it."""
    response = ask.post({**BODY, "prompt": "x"}, path, headers)
    assert response.status_code == 403
    assert error_of(response)["code"] == "origin_not_allowed"
    assert "[server] origins" in error_of(response)["message"]
    assert "access-control-allow-origin" not in response.headers
    assert first.requests == []


@pytest.mark.parametrize("method", ["OPTIONS", "GET", "PUT"])
@pytest.mark.parametrize(
    "path", ["/v1/models", CHAT, "/docs/openapi.json", "/ready", "/", "/x/none", "/none"]
)
def test_a_page_of_another_site_is_refused_everywhere(ask: Asking, method: str, path: str) -> None:
    headers = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    response = ask.http.request(method, path, headers=headers)
    assert response.status_code == 403
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("site", ["same-origin", "same-site", "none"])
def test_pages_of_the_server_and_the_address_bar_are_served(ask: Asking, site: str) -> None:
    assert ask.chat({"sec-fetch-site": site}).status_code == 200


def test_a_page_of_this_server_is_served(ask: Asking) -> None:
    assert (
        ask.chat({"origin": ask.gateway.origin, "sec-fetch-site": "same-origin"}).status_code == 200
    )


def test_a_link_from_another_site_may_be_followed(ask: Asking) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert ask.get("/docs", {**headers, "sec-fetch-dest": "document"}).status_code == 200
    assert ask.get("/docs", {**headers, "sec-fetch-dest": "iframe"}).status_code == 403


# Host


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:1",
        "localhost.:8000",
        "app.localhost",
        "127.0.0.1:8000",
        "127.8.8.8",
        "[::1]:8000",
        "gateway.example:8000",
        "Gateway.Example",
    ],
)
def test_names_of_this_machine_and_configured_ones_are_accepted(page: Asking, host: str) -> None:
    assert page.chat({"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evillocalhost",
        "x.gateway.example",
        "0.0.0.0:8000",
        "192.168.1.5",
        "[::2]",
        "localhost:8000@evil.example",
        "localhost evil.example",
        "localhost,evil.example",
        "[::1]evil.example",
        "",
        "x" * 1000,
    ],
)
@pytest.mark.parametrize("origin", [True, False])
def test_a_name_that_was_made_to_resolve_to_this_machine_is_refused(
    page: Asking, host: str, origin: bool
) -> None:
    """DNS rebinding: the page is of the same origin, and can read what it is sent."""
    headers = {"host": host, **({"origin": f"http://{host}"} if origin else {})}
    for response in (page.chat(headers), page.chat(headers), page.get("/v1/models", headers)):
        assert response.status_code == 403
        assert error_of(response)["code"] == "host_not_allowed"
        assert "[server] hosts" in error_of(response)["message"]


def test_health_may_be_asked_for_by_any_name(ask: Asking) -> None:
    """It shows nothing, and what watches the process may reach it in its own way."""
    assert ask.get("/health", {"host": "any.example:80"}).status_code == 200
    assert ask.get("/ready", {"host": "any.example:80"}).status_code == 403


@pytest.mark.parametrize("path", ["/health", "/ready", CHAT, "/none"])
@pytest.mark.parametrize("hosts", [0, 2])
@pytest.mark.parametrize("name", ["ask_open", "ask_closed"])
def test_a_request_needs_exactly_one_host(
    request: pytest.FixtureRequest,
    pair: Pair,
    closed: Pair,
    wire: Connect,
    path: str,
    hosts: int,
    name: str,
) -> None:
    """RFC 9112, 3.2; with keys, too, and whatever was accepted before."""
    gateway = (pair if name == "ask_open" else closed).gateway
    for count in (1, hosts):
        connection = wire(gateway)
        host = "host: localhost\r\n" * count
        connection.send(
            f"GET {path} HTTP/1.1\r\n{host}accept: */*\r\nconnection: close\r\n\r\n".encode()
        )
        answer = connection.answer()
        assert (answer.status_code == 400) == (count != 1)
    assert error_of(answer)["code"] == "invalid_host"


def test_http_1_0_may_leave_host_out(pair: Pair, wire: Connect) -> None:
    """As clients of that version do; no browser is one."""
    for version, status in (("1.0", 200), ("1.1", 400), ("1.0", 200)):
        connection = wire(pair.gateway)
        connection.send(f"GET /v1/models HTTP/{version}\r\nconnection: close\r\n\r\n".encode())
        assert connection.answer().status_code == status


@pytest.mark.parametrize(
    "headers", [{"host": "any.example"}, {"origin": "https://evil.example"}], ids=str
)
def test_with_keys_a_page_is_no_danger(closed: Pair, asking: Ask, headers: dict[str, str]) -> None:
    """It has no key. Without the headers of CORS, it could not read the answer either."""
    response = asking(closed.gateway).chat({"authorization": f"Bearer {KEY}", **headers})
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers
    assert asking(closed.gateway).chat(headers).status_code == 401


def own_page(
    tmp_path: Path, plugins: str, headers: Mapping[bytes, bytes], host: str = "0.0.0.0"
) -> int:
    """The status of a POST to an application that listens on `host`."""
    (tmp_path / "llms.json").write_text(json.dumps({"providers": {}}), "utf-8")
    (tmp_path / "plugins.toml").write_text(plugins, "utf-8")
    app = create_app(tmp_path / "llms.json", tmp_path / "plugins.toml", host=host)
    return _status(app, "/none", headers)


def _status(app: Any, path: str, headers: Mapping[bytes, bytes]) -> int:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"",
        "headers": list(headers.items()), "client": None, "server": None,
    }  # fmt: skip
    running = app(scope, receive, send)
    try:
        while True:
            running.send(None)
    except StopIteration:
        return int(sent[0]["status"])


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("192.168.1.5:8000", 404),
        ("gateway.example", 404),
        ("localhost", 404),
        ("evil.example:8000", 403),
    ],
)
def test_on_other_addresses_a_page_is_only_of_this_server_if_nobody_else_controls_its_name(
    tmp_path: Path, host: str, status: int
) -> None:
    """An address, or a configured name; clients that are no browsers may use any name."""
    headers = {b"host": host.encode()}
    assert own_page(tmp_path, CORS, headers) == 404
    assert own_page(tmp_path, CORS, {**headers, b"origin": f"http://{host}".encode()}) == status


@given(
    headers=st.dictionaries(
        st.sampled_from([b"host", b"origin", b"sec-fetch-site"]), st.binary(max_size=40)
    )
)
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_value_of_a_header_is_a_failure(guarded: Any, headers: dict[bytes, bytes]) -> None:
    assert _status(guarded, "/none", headers) in (400, 403, 404)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "llms.json").write_text('{"providers": {}}', "utf-8")
    (folder / "plugins.toml").write_text(CORS, "utf-8")
    return create_app(folder / "llms.json", folder / "plugins.toml")


# CORS


@pytest.mark.parametrize("origin", [APP, "app://obsidian.md"])
def test_an_admitted_page_may_read_the_answer(page: Asking, origin: str) -> None:
    response = page.chat({"origin": origin, "sec-fetch-site": "cross-site"})
    assert response.status_code == 200
    _assert_readable(response, origin)


def _assert_readable(response: httpx.Response, origin: str = APP) -> None:
    assert response.headers["access-control-allow-origin"] == origin
    assert response.headers["vary"] == "Origin"
    exposed = response.headers["access-control-expose-headers"].split(", ")
    ours = {name for name in response.headers if name.startswith("x-") or name == "retry-after"}
    assert ours <= set(exposed)


def test_an_admitted_page_may_read_a_stream(page: Asking) -> None:
    response = page.chat({"origin": APP}, stream=True)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.text.endswith("data: [DONE]\n\n")
    _assert_readable(response)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (CHAT, {}, 400),
        (CHAT, {**BODY, "model": "none"}, 404),
        ("/none", {}, 404),
        ("/v1/models", {}, 405),
    ],
)
def test_an_admitted_page_may_read_an_error(
    page: Asking, path: str, body: object, status: int
) -> None:
    response = page.post(body, path, {"origin": APP})
    assert response.status_code == status
    _assert_readable(response)


def test_an_admitted_page_may_read_a_failure_of_all_providers(
    page: Asking, admitting: Pair
) -> None:
    default, admitting.upstream.default = admitting.upstream.default, error(401)
    try:
        response = page.chat({"origin": APP})
    finally:
        admitting.upstream.default = default
    assert response.status_code >= 400
    _assert_readable(response)


def test_an_admitted_page_without_a_key_may_read_the_refusal(closed: Pair, asking: Ask) -> None:
    response = asking(closed.gateway).chat({"origin": APP})
    assert response.status_code == 401
    _assert_readable(response)


@pytest.mark.parametrize("path", [CHAT, TEXT, "/v1/models", "/v1/models/m", "/none"])
@pytest.mark.parametrize("keyed", [False, True])
def test_a_preflight_of_an_admitted_page(
    admitting: Pair, closed: Pair, asking: Ask, path: str, keyed: bool
) -> None:
    """It carries no key, and asks for what the request will have."""
    gateway = (closed if keyed else admitting).gateway
    asked = "authorization,content-type,x-stainless-retry-count"
    headers = {
        "origin": APP,
        "access-control-request-method": "POST",
        "access-control-request-headers": asked,
    }
    response = asking(gateway).http.options(path, headers=headers)
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["access-control-allow-headers"] == asked
    assert "POST" in response.headers["access-control-allow-methods"].split(", ")
    assert "access-control-allow-private-network" not in response.headers
    _assert_readable(response)


def test_a_preflight_for_a_private_network(page: Asking) -> None:
    """A page on the internet asks for this before it talks to a local server."""
    asked = {
        "access-control-request-method": "POST",
        "access-control-request-private-network": "true",
    }
    response = page.http.options(CHAT, headers={"origin": APP, **asked})
    assert response.headers["access-control-allow-private-network"] == "true"


def test_a_preflight_of_another_page_is_not_answered(
    page: Asking, closed: Pair, asking: Ask
) -> None:
    headers = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    assert page.http.options(CHAT, headers=headers).status_code == 403
    assert (
        "access-control-allow-origin"
        not in asking(closed.gateway).http.options(CHAT, headers=headers).headers
    )


def test_what_depends_on_the_origin_says_so_to_caches(page: Asking) -> None:
    assert page.get("/v1/models").headers["vary"] == "Origin"


def test_every_origin(tmp_path: Path, asking: Ask) -> None:
    with running(tmp_path, '[server]\norigins = ["*"]\n') as pair:
        response = asking(pair.gateway).chat(
            {"origin": "https://any.example", "sec-fetch-site": "cross-site"}
        )
        assert response.headers["access-control-allow-origin"] == "*"
        assert "vary" not in response.headers
        host = {"host": "evil.example", "origin": "http://evil.example"}
        assert asking(pair.gateway).chat(host).status_code == 403


def test_without_origins_no_header_is_added(ask: Asking) -> None:
    response = ask.chat({"origin": ask.gateway.origin})
    assert response.status_code == 200
    assert {"vary", "access-control-allow-origin"}.isdisjoint(response.headers)


def test_an_unfinished_body_of_a_refused_page_is_not_read(pair: Pair, wire: Connect) -> None:
    connection = wire(pair.gateway)
    connection.send(
        request_of(b"", headers={"content-length": "1000", "origin": "https://evil.example"})
    )
    assert connection.answer().status_code == 403
