"""Signing in to the pages: a key becomes a session, which can read the pages and do nothing else."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import httpx
import pytest

from llms_core import __version__
from llms_core.server.pages import sessions
from tests.core.server.conftest import Asking, Pair, running, until
from tests.core.server.test_authenticate import KEY, KEYS, REFUSAL, digest

if TYPE_CHECKING:
    from tests.conftest import Gateway, Serve

Ask = Callable[["Gateway"], Asking]

BROWSER = {"accept": "text/html,application/xhtml+xml"}
OWN = {**BROWSER, "sec-fetch-site": "same-origin"}
ADMIN = "sk-of-root"


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A gateway with the key of a user and that of an administrator."""
    admin = f'[server.keys.root]\nhash = "{digest(ADMIN)}"\nadmin = true\n'
    with running(tmp_path_factory.mktemp("closed"), KEYS + admin) as pair:
        yield pair


@pytest.fixture
def ask(closed: Pair, asking: Ask) -> Asking:
    return asking(closed.gateway)


def sign_in(ask: Asking, key: str = KEY, page: str = "/", **headers: str) -> httpx.Response:
    return ask.http.post("/sign-in", data={"key": key, "page": page}, headers={**OWN, **headers})


@pytest.mark.parametrize("page", ["/", "/docs"])
def test_a_key_becomes_a_session_that_shows_the_pages(ask: Asking, page: str) -> None:
    assert "Sign in" in ask.get(page, BROWSER).text
    response = sign_in(ask, page=page)
    assert (response.status_code, response.headers["location"]) == (303, page)
    for path in ("/", "/docs", "/docs/openapi.json"):
        assert ask.get(path, OWN).status_code == 200
        assert "Sign in" not in ask.get(path, OWN).text
    assert "first" in ask.get("/", OWN).text
    assert "Authorization: Bearer $LLMS_KEY" in ask.get("/", OWN).text


def test_strangers_see_a_form_and_whether_the_server_is_ready(ask: Asking) -> None:
    for path in ("/", "/docs"):
        page = ask.get(path, BROWSER).text
        assert "Ready." in page
        assert [
            word for word in ("first", __version__, "OpenAi", "openapi.json") if word in page
        ] == []


@pytest.mark.parametrize("path", ["/", "/docs", "/docs/openapi.json"])
@pytest.mark.parametrize("accept", ["application/json", "*/*"])
def test_programs_get_a_401(ask: Asking, path: str, accept: str) -> None:
    response = ask.get(path, {"accept": accept})
    assert (response.status_code, response.json()) == (401, REFUSAL)


def test_a_program_with_a_key_gets_the_pages(ask: Asking) -> None:
    headers = {"authorization": f"Bearer {KEY}"}
    assert "first" in ask.get("/", headers).text
    assert "API reference" in ask.get("/docs", headers).text


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(ask: Asking) -> None:
    (cookie,) = sign_in(ask).headers.get_list("set-cookie")
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/"} <= attributes


def test_the_cookie_holds_no_key(ask: Asking) -> None:
    sign_in(ask)
    (cookie,) = ask.http.cookies.jar
    value = cookie.value or ""
    content = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    for secret in (KEY, digest(KEY), digest(KEY).removeprefix("sha256:")):
        assert secret.encode() not in content
    assert bytes.fromhex(digest(KEY).removeprefix("sha256:")) not in content


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/chat/completions"),
        ("GET", "/v1/models"),
        ("GET", "/models"),
        ("GET", "/status"),
        ("POST", "/providers/first"),
        ("GET", "/v1/responses/resp_1"),
    ],
)
@pytest.mark.parametrize("key", [KEY, ADMIN], ids=["user", "administrator"])
def test_a_session_is_no_key(ask: Asking, method: str, path: str, key: str) -> None:
    sign_in(ask, key)
    assert ask.http.request(method, path, json={}, headers=OWN).status_code == 401
    assert ask.get("/ready", OWN).json() == {"ready": True}


def test_a_wrong_key_is_refused_without_a_session(ask: Asking) -> None:
    response = sign_in(ask, "sk-of-eve")
    assert response.status_code == 401
    assert "This is not a key of this server." in response.text
    assert "set-cookie" not in response.headers
    # The browser is there now, and the user may load the page again.
    assert ask.get("/sign-in", BROWSER).headers["location"] == "/"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
def test_pages_of_other_sites_can_neither_sign_in_nor_out(
    ask: Asking, path: str, headers: dict[str, str]
) -> None:
    response = ask.http.post(path, data={"key": KEY}, headers={**BROWSER, **headers})
    assert response.status_code == 403
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
        {"origin": "http://localhost:1"},
    ],
    ids=str,
)
def test_pages_of_other_sites_and_ports_cannot_use_a_session(
    ask: Asking, headers: dict[str, str]
) -> None:
    sign_in(ask)
    assert ask.get("/", headers).status_code == 401
    assert "first" not in ask.get("/", {**BROWSER, **headers}).text


@pytest.mark.parametrize("page", ["https://evil.example", "//evil.example", "/x/plugin", ""])
def test_signing_in_leads_to_the_pages_and_nowhere_else(ask: Asking, page: str) -> None:
    assert sign_in(ask, page=page).headers["location"] == "/"


def test_after_signing_out_the_browser_has_no_session(ask: Asking) -> None:
    sign_in(ask)
    assert ask.http.post("/sign-out", headers=OWN).status_code == 303
    assert "Sign in" in ask.get("/", OWN).text


@pytest.mark.parametrize(
    "change", [lambda value: value[:-2] + "AA", lambda value: "", lambda value: "x" * 5000]
)
def test_a_session_that_was_changed_is_none(ask: Asking, change: Callable[[str], str]) -> None:
    sign_in(ask)
    (cookie,) = ask.http.cookies.jar
    headers = {**OWN, "cookie": f"{cookie.name}={change(cookie.value or '')}"}
    ask.http.cookies.clear()
    assert "first" not in ask.get("/", headers).text


@pytest.mark.parametrize(
    ("later", "is_over"), [(sessions.SECONDS - 60, False), (sessions.SECONDS + 60, True)]
)
def test_a_session_ends(
    ask: Asking, monkeypatch: pytest.MonkeyPatch, later: int, is_over: bool
) -> None:
    sign_in(ask)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + later)
    assert ("Sign in" in ask.get("/", OWN).text) == is_over


def test_a_session_ends_when_its_key_is_removed(served: Serve, asking: Ask) -> None:
    keys = f'{KEYS}other = "{digest("sk-of-other")}"\n'
    gateway = served({"providers": {}}, keys)
    ask = asking(gateway)
    sign_in(ask)
    gateway.plugins_path.write_text(f'[server.keys]\nother = "{digest("sk-of-other")}"\n', "utf-8")
    until(lambda: "Sign in" in ask.get("/", OWN).text)


def test_a_form_that_is_too_large_or_none_is_refused(ask: Asking) -> None:
    assert (
        ask.http.post("/sign-in", content=b"key=" + b"x" * 20_000, headers=OWN).status_code == 413
    )
    assert ask.http.post("/sign-in", content=b"a=1&" * 50, headers=OWN).status_code == 400


def test_a_user_sees_their_own_requests_and_an_administrator_all(ask: Asking) -> None:
    ask.chat({"authorization": f"Bearer {KEY}"}, model="of-the-user")
    ask.chat({"authorization": f"Bearer {ADMIN}"}, model="of-the-administrator")
    sign_in(ask)
    own = ask.get("/", OWN).text
    assert "of-the-user" in own
    assert "of-the-administrator" not in own
    sign_in(ask, ADMIN)
    assert "of-the-user" in ask.get("/", OWN).text


def test_who_a_plugin_identifies_can_sign_in(
    served: Serve, asking: Ask, plugin: Callable[[str], str]
) -> None:
    """By a token, for example; other headers of the browser do not count."""
    source = (
        "from llms_core.records import Caller\n"
        "@hookimpl\nasync def llms_authenticate(headers):\n"
        "    return Caller('dan') if headers.get('authorization') == 'Bearer token-of-dan' else None\n"
    )
    ask = asking(served({"providers": {}}, plugin(source)))
    assert sign_in(ask, "token-of-eve").status_code == 401
    assert sign_in(ask, "token-of-dan").status_code == 303
    assert "Recent requests" in ask.get("/", OWN).text


def test_without_keys_there_is_nothing_to_sign_in_to(served: Serve, asking: Ask) -> None:
    ask = asking(served({"providers": {}}))
    assert "Sign in" not in ask.get("/", BROWSER).text
    response = sign_in(ask, origin=ask.gateway.origin)
    assert (response.status_code, "set-cookie" in response.headers) == (303, False)
