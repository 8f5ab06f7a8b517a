"""Authentication: no key is required unless keys are configured (SR-003, SR-004); then SR-067 holds."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from llms_core import ConfigError, __version__
from llms_core.server import background
from llms_core.server.app import create_app
from llms_core.testing import ScriptedUpstream
from tests.core.plugins.conftest import install as install
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
    until,
)

if TYPE_CHECKING:
    from tests.conftest import Gateway, ProviderBlock, Serve

Ask = Callable[["Gateway"], Asking]
Connect = Callable[["Gateway"], Wire]
Start = Callable[[str], "Gateway"]

KEY = "sk-of-ada"
REFUSAL = {
    "error": {
        "message": "Authentication required",
        "type": "authentication_error",
        "code": "unauthorized",
    },
}


def digest(key: str) -> str:
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def edit(path: Path, text: str) -> None:
    """Replace a file as editors do: whole, at once."""
    beside = path.with_suffix(".new")
    beside.write_text(text, "utf-8")
    beside.replace(path)


KEYS = f'[server.keys]\nada = "{digest(KEY)}"\nbob = "{digest("sk-of-bob")}"\n'


@pytest.fixture
def start(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: Callable[..., Any],
    served: Serve,
) -> Start:
    """Starts a gateway with a plugins.toml."""
    return lambda plugins: served(config_of(first=provider(upstream)), plugins)


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A gateway with two keys, for all tests of this module."""
    with running(tmp_path_factory.mktemp("closed"), KEYS) as pair:
        yield pair


@pytest.fixture
def ask(closed: Pair, asking: Ask) -> Asking:
    """A client of `closed`, with no requests recorded at the provider."""
    closed.upstream.requests.clear()
    return asking(closed.gateway)


def of_test() -> Any:
    """The module of the plugin that the test wrote."""
    return sys.modules["llms_plugin_of_test"]


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer {KEY}"},
        {"authorization": f"Bearer   {KEY}"},
        {"authorization": "Bearer sk-of-bob"},
        {"api-key": KEY},
        {"x-api-key": KEY},
        {"authorization": "Basic zzz", "api-key": KEY},
    ],
    ids=str,
)
def test_sr_067_a_known_key(ask: Asking, headers: dict[str, str]) -> None:
    """SR-067: in either header that OpenAI's clients use."""
    assert ask.chat(headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer sk-of-eve"},
        {"authorization": KEY},
        {"authorization": f"Basic {KEY}"},
        {"authorization": f"Bearer {KEY}x"},
        {"authorization": f"Bearer {digest(KEY)}"},
        {"authorization": "Bearer"},
        {"authorization": ""},
        {"api-key": ""},
        {"cookie": f"key={KEY}"},
    ],
    ids=str,
)
def test_sr_067_any_other_key(ask: Asking, headers: dict[str, str]) -> None:
    """SR-067: 401 with exactly that body, and nothing is sent upstream."""
    response = ask.chat(headers)
    assert (response.status_code, response.json()) == (401, REFUSAL)


@pytest.mark.parametrize("path", [CHAT, TEXT])
def test_sr_067_nothing_is_sent_upstream(ask: Asking, closed: Pair, path: str) -> None:
    ask.post({"model": "m", "messages": HELLO, "prompt": "x"}, path)
    assert closed.upstream.requests == []


def test_sr_067_a_key_in_the_url_is_not_accepted(ask: Asking) -> None:
    assert (
        ask.post({"model": "m", "messages": HELLO}, f"{CHAT}?api_key={KEY}&key={KEY}").status_code
        == 401
    )


def test_sr_067_an_unknown_caller_is_refused_before_the_body_is_read(
    closed: Pair, wire: Connect
) -> None:
    connection = wire(closed.gateway)
    connection.send(request_of(b"", headers={"content-length": "1000"}))
    assert connection.answer().status_code == 401


def test_sr_067_an_unknown_caller_learns_nothing_about_the_body(ask: Asking) -> None:
    """SR-067: neither whether a model exists nor what is wrong."""
    assert {
        ask.post(body).status_code
        for body in (b"{bad", {"model": "unknown", "messages": HELLO}, {})
    } == {401}


@pytest.mark.parametrize(
    "key",
    ["clé-à", "pass\u00a0", "\u3000ключ", "鍵🔑", "a key of words", "e\u0301", "Bearer x"],
)
@pytest.mark.parametrize("header", ["authorization", "api-key", "x-api-key"])
def test_a_key_may_be_any_text(start: Start, wire: Connect, key: str, header: str) -> None:
    """In UTF-8, byte for byte: what some alphabets end in looks like white space in Latin-1."""
    value = f"Bearer {key}" if header == "authorization" else key
    gateway = start(f'[server.keys]\nada = "{digest(key)}"\n')
    for sent, status in ((value, 200), (value[:-1], 401)):
        connection = wire(gateway)
        body = b'{"model":"m","messages":[{"role":"user","content":"Hello!"}]}'
        head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\n{header}: {sent}\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.send(head.encode() + body)
        assert connection.answer().status_code == status


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_the_status_needs_no_key(ask: Asking, path: str) -> None:
    """Load balancers call it without one."""
    assert ask.get(path).status_code == 200


@pytest.mark.parametrize(
    "path", ["/ready", "/", "/docs", "/favicon.ico", "/docs/openapi.json", "/docs/x", "/v1/models"]
)
@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer sk-of-eve"}], ids=["no key", "a wrong key"]
)
def test_strangers_learn_only_whether_the_server_is_ready(
    ask: Asking, path: str, headers: dict[str, str]
) -> None:
    """Neither providers, models, plugins and paths nor versions."""
    shown = ask.get(path, headers).text
    told = [
        "first",
        "OpenAiProvider",
        "llms-providers",
        "chat/completions",
        "x/of_test",
        __version__,
        "circuits",
    ]
    assert [word for word in told if word in shown] == []


def test_strangers_get_no_document(ask: Asking) -> None:
    assert (ask.get("/docs/openapi.json").status_code, ask.get("/docs/openapi.json").json()) == (
        401,
        REFUSAL,
    )


def test_strangers_see_that_the_server_is_ready(ask: Asking) -> None:
    assert ask.get("/ready").json() == {"ready": True}


def test_a_caller_sees_everything(ask: Asking) -> None:
    headers = {"authorization": f"Bearer {KEY}"}
    assert ask.get("/ready", headers).json()["providers"]["enabled"] == ["first"]
    assert "first" in ask.get("/", headers).text
    assert CHAT in ask.get("/docs/openapi.json", headers).json()["paths"]


def test_sr_067_a_key_is_in_no_log(ask: Asking) -> None:
    ask.chat({"authorization": f"Bearer {KEY}"})
    ask.chat({"authorization": "Bearer sk-of-eve"})
    ours = [line for line in ask.gateway.log().splitlines() if "llms_core" in line]
    assert ours
    assert [line for line in ours if "sk-of" in line] == []


def test_sr_067_keys_in_a_file(start: Start, asking: Ask, tmp_path: Path) -> None:
    """SR-067: in addition to those of plugins.toml; the path is relative to it."""
    (tmp_path / "keys.toml").write_text(f'carol = "{digest("sk-of-carol")}"\n', "utf-8")
    ask = asking(start(f'[server]\nkeys_file = "../keys.toml"\n{KEYS}'))
    assert ask.chat({"authorization": "Bearer sk-of-carol"}).status_code == 200
    assert ask.chat({"authorization": f"Bearer {KEY}"}).status_code == 200
    assert ask.chat().status_code == 401


@pytest.mark.parametrize(
    "content",
    [
        None,
        "carol = sha256",
        'carol = "sk-of-carol"',
        'carol = "sha256:abc"',
        "carol = 1",
        f'carol = "sha256:{"g" * 64}"',
    ],
)
def test_sr_067_an_invalid_key_file(tmp_path: Path, content: str | None) -> None:
    """SR-067: a gateway with keys never starts open by mistake; the error names the file and shows no key."""
    path = tmp_path / "keys.toml"
    if content is not None:
        path.write_text(content, "utf-8")
    (tmp_path / "llms.json").write_text('{"providers": {}}', "utf-8")
    (tmp_path / "plugins.toml").write_text('[server]\nkeys_file = "keys.toml"\n', "utf-8")
    with pytest.raises(ConfigError) as caught:
        create_app(tmp_path / "llms.json", tmp_path / "plugins.toml")
    assert str(path) in str(caught.value)
    assert "sk-of-carol" not in str(caught.value)


def test_sr_067_a_plain_text_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "llms.json").write_text('{"providers": {}}', "utf-8")
    (tmp_path / "plugins.toml").write_text(f'[server.keys]\nada = "{KEY}"\n', "utf-8")
    with pytest.raises(ConfigError) as caught:
        create_app(tmp_path / "llms.json", tmp_path / "plugins.toml")
    assert "server.keys.ada" in str(caught.value)
    assert KEY not in str(caught.value)


def test_keys_with_permissions(start: Start, asking: Ask, tmp_path: Path) -> None:
    """In both files."""
    (tmp_path / "keys.toml").write_text(
        f'[carol]\nhash = "{digest("sk-of-carol")}"\nadmin = true\n', "utf-8"
    )
    toml = f'[server]\nkeys_file = "../keys.toml"\n[server.keys.ada]\nhash = "{digest(KEY)}"\n'
    ask = asking(start(toml))
    assert ask.chat({"authorization": "Bearer sk-of-carol"}).status_code == 200
    assert ask.chat({"authorization": f"Bearer {KEY}"}).status_code == 200
    assert ask.chat().status_code == 401


# llms.py's sign-in

SIGN_IN = {"auth": {"enabled": True, "github": {"client_id": "$GITHUB_CLIENT_ID"}}}


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer anything"}], ids=["no key", "any key"]
)
def test_k_21_a_file_that_enables_sign_in_admits_nobody_without_keys(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    served: Serve,
    asking: Ask,
    headers: dict[str, str],
) -> None:
    """K-21: llms.py would accept any text as a key. The server starts, and says how to create one."""
    ask = asking(served({**SIGN_IN, "providers": {"first": provider(upstream)}}))
    response = ask.chat(headers)
    assert (response.status_code, response.json()) == (401, REFUSAL)
    assert ask.get("/v1/models").status_code == 401
    assert upstream.requests == []
    assert "every request is refused: create one with `llms keys new NAME`" in ask.gateway.log()


def test_k_21_keys_take_the_place_of_sign_in(
    upstream: ScriptedUpstream, provider: ProviderBlock, served: Serve, asking: Ask
) -> None:
    """K-21."""
    ask = asking(served({**SIGN_IN, "providers": {"first": provider(upstream)}}, KEYS))
    assert ask.chat({"authorization": f"Bearer {KEY}"}).status_code == 200
    assert ask.chat({"authorization": "Bearer anything"}).status_code == 401
    assert "llms keys new" not in ask.gateway.log()
    assert "auth.enabled: signing in with GitHub is not supported" in ask.gateway.log()


# Plugins

ALLOW = """
from llms_core.records import Caller
heard = []
@hookimpl
def llms_authenticate(headers):
    heard.append(headers)
    return Caller("dan") if headers.get("x-who") == "dan" else None
@hookimpl
def llms_request_finished(record):
    heard.append(record)
"""


def test_a_plugin_authenticates_a_caller(
    start: Start, asking: Ask, plugin: Callable[[str], str]
) -> None:
    assert asking(start(plugin(ALLOW))).chat({"x-who": "dan"}).status_code == 200


def test_a_plugin_gets_headers_with_lower_case_names(
    start: Start, asking: Ask, plugin: Callable[[str], str]
) -> None:
    asking(start(plugin(ALLOW))).chat({"X-Who": "dan", "Cookie": "a=b"})
    headers = of_test().heard[0]
    assert (headers["x-who"], headers["cookie"]) == ("dan", "a=b")


def test_sr_067_no_plugin_authenticates_the_caller(
    start: Start, asking: Ask, plugin: Callable[[str], str]
) -> None:
    """SR-067: with such a plugin, a request without a key is refused."""
    response = asking(start(plugin(ALLOW))).chat()
    assert (response.status_code, response.json()) == (401, REFUSAL)


def test_a_key_or_a_plugin_is_enough(
    start: Start, asking: Ask, plugin: Callable[[str], str]
) -> None:
    ask = asking(start(plugin(ALLOW) + KEYS))
    assert ask.chat({"x-who": "dan"}).status_code == 200
    assert ask.chat({"authorization": f"Bearer {KEY}"}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "name"), [({"x-who": "dan"}, "dan"), ({"authorization": f"Bearer {KEY}"}, "ada")]
)
def test_a_record_names_the_caller(
    start: Start, asking: Ask, plugin: Callable[[str], str], headers: dict[str, str], name: str
) -> None:
    """The name is for logs and limits; it is never a key."""
    gateway = start(plugin(ALLOW) + KEYS)
    asking(gateway).chat(headers)
    gateway.stop()
    record = of_test().heard[-1]
    assert record.caller == name
    assert KEY not in repr(record)


def test_a_plugin_can_refuse_with_its_own_message(
    start: Start, asking: Ask, plugin: Callable[[str], str]
) -> None:
    source = """
from llms_core import RequestError
@hookimpl
def llms_authenticate(headers):
    raise RequestError("Your account is closed", status=403, type="permission_error", code="closed", retry_after=2.5)
"""
    response = asking(start(plugin(source))).chat()
    assert response.status_code == 403
    assert error_of(response) == {
        "message": "Your account is closed",
        "type": "permission_error",
        "code": "closed",
        "param": None,
    }
    assert response.headers["retry-after"] == "3"


@pytest.mark.parametrize(
    "body", ["raise KeyError('x')", "return True", "return 'dan'", "return {'name': 'dan'}"]
)
def test_sr_067_a_failing_plugin_lets_nobody_in(
    start: Start, asking: Ask, plugin: Callable[[str], str], body: str
) -> None:
    """SR-067: an unexpected exception, and a result that is not a Caller."""
    response = asking(start(plugin(f"@hookimpl\ndef llms_authenticate(headers): {body}\n"))).chat()
    assert (response.status_code, response.json()) == (401, REFUSAL)


def test_a_failing_plugin_is_logged(
    start: Start, asking: Ask, plugin: Callable[[str], str]
) -> None:
    """Otherwise the operator could not find out why every request is refused."""
    gateway = start(
        plugin("@hookimpl\ndef llms_authenticate(headers): return headers['no-such-header']\n")
    )
    asking(gateway).chat()
    assert "of_test" in gateway.log()
    assert "no-such-header" in gateway.log()


def test_a_plugin_gets_headers_as_utf_8(
    start: Start, wire: Connect, plugin: Callable[[str], str]
) -> None:
    """Or as Latin-1, which every value is."""
    connection = wire(start(plugin(ALLOW)))
    connection.send(
        "GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx-a: cl\u00e9\r\nx-b: ".encode()
        + b"cl\xe9\r\n\r\n"
    )
    assert connection.answer().status_code == 401
    assert (of_test().heard[0]["x-a"], of_test().heard[0]["x-b"]) == ("clé", "clé")


ASYNC = """
import asyncio
from llms_core import RequestError
from llms_core.records import Caller
heard = []
@hookimpl
async def llms_authenticate(headers):
    await asyncio.sleep(0)
    if headers.get("x-who") == "closed":
        raise RequestError("Your account is closed", status=403)
    if headers.get("x-who") == "slow":
        await asyncio.Event().wait()
    if headers.get("x-who") == "cancelled":
        raise asyncio.CancelledError
    if headers.get("x-who") == "wrong":
        return headers["x-who"]
    if headers.get("x-who") == "exiting":
        raise SystemExit(3)
    if headers.get("x-who") == "raising":
        raise TimeoutError("the database")
    return Caller("dan") if headers.get("x-who") == "dan" else None
@hookimpl
def llms_routes():
    from litestar import get
    @get("/mine")
    async def mine() -> str: return "mine"
    return [mine]
"""
SOON = "[server]\nauthenticate_timeout = 0.1\n"
#: Everything that asks who the caller is, each served in another way.
PATHS = {
    "completions": CHAT,
    "another spelling": f"{CHAT}/",
    "the list of models": "/v1/models",
    "a model": "/v1/models/m",
    "the list of a dialect": "/v1beta/models",
    "a model of a dialect": "/v1beta/models/m",
    "a stored response": "/v1/responses/resp_1",
    "a plugin's route": "/x/of_test/mine",
    "the document": "/docs/openapi.json",
}


def status_at(ask: Asking, path: str, who: str) -> int:
    if CHAT in path:
        return ask.post({"model": "m", "messages": HELLO}, path, {"x-who": who}).status_code
    return ask.get(path, {"x-who": who}).status_code


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A gateway with a plugin that authenticates asynchronously, for all tests of this module."""
    folder = tmp_path_factory.mktemp("waiting")
    (folder / "of_test.py").write_text(f"from llms_core import hookimpl\n{ASYNC}", "utf-8")
    with running(folder, f"[plugins]\nload = ['{folder}/of_test.py']\n{SOON}") as pair:
        yield pair


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_an_asynchronous_plugin_is_asked_everywhere(waiting: Pair, asking: Ask, path: str) -> None:
    ask = asking(waiting.gateway)
    assert status_at(ask, path, "dan") in (200, 404)
    assert status_at(ask, path, "nobody") == 401
    assert status_at(ask, path, "closed") == 403
    assert status_at(ask, path, "slow") == 503


def test_an_asynchronous_plugin_decides_what_ready_shows(waiting: Pair, asking: Ask) -> None:
    ask = asking(waiting.gateway)
    assert "providers" in ask.get("/ready", {"x-who": "dan"}).json()
    assert ask.get("/ready", {"x-who": "nobody"}).json() == {"ready": True}
    assert "first" in ask.get("/", {"x-who": "dan"}).text
    assert "first" not in ask.get("/", {"x-who": "slow"}).text


def test_a_plugin_that_takes_too_long_lets_nobody_in(waiting: Pair, asking: Ask) -> None:
    """A 503, which clients repeat: the caller may be known. The log names the plugin and the setting."""
    response = asking(waiting.gateway).chat({"x-who": "slow"})
    assert response.status_code == 503
    assert error_of(response)["code"] == "authentication_timeout"
    assert response.headers["retry-after"] == "1"
    expected = (
        "llms_authenticate took more than 0.1 s ([server] authenticate_timeout): it lets nobody in"
    )
    assert f"of_test.py: {expected}" in waiting.gateway.log()


@pytest.mark.parametrize("who", ["wrong", "cancelled", "exiting", "raising"])
def test_an_asynchronous_plugin_that_fails_lets_nobody_in(
    waiting: Pair, asking: Ask, who: str
) -> None:
    response = asking(waiting.gateway).chat({"x-who": who})
    assert (response.status_code, response.json()) == (401, REFUSAL)
    assert "of_test.py: llms_authenticate failed" in waiting.gateway.log()


@pytest.mark.parametrize("second", ["def", "async def"])
def test_the_next_plugin_is_asked_after_one_that_takes_too_long(
    start: Start, asking: Ask, install: Callable[..., None], second: str
) -> None:
    install(
        "first",
        "import asyncio\n@hookimpl\nasync def llms_authenticate(): await asyncio.Event().wait()\n",
    )
    known = "Caller('eve') if headers.get('x-who') == 'eve' else None"
    install(
        "second",
        f"from llms_core.records import Caller\n@hookimpl\n{second} llms_authenticate(headers): return {known}\n",
    )
    ask = asking(start(SOON))
    assert ask.chat({"x-who": "eve"}).status_code == 200
    assert ask.chat().status_code == 503


def test_a_plugin_learns_what_is_requested_and_where_from(
    start: Start, asking: Ask, plugin: Callable[[str], str]
) -> None:
    source = (
        "from llms_core.records import Caller\nheard = []\n@hookimpl\ndef llms_authenticate(peer, path, method):\n"
        "    heard.append((method, path, peer))\n    return Caller('anybody')\n"
    )
    ask = asking(start(plugin(source)))
    ask.chat()
    ask.post({"model": "m", "messages": HELLO}, "/v1//chat/completions/?a=b")
    ask.get("/v1/models/a%2Fb")
    ask.http.head("/v1/models")
    assert of_test().heard == [
        ("POST", CHAT, "127.0.0.1"),
        ("POST", CHAT, "127.0.0.1"),
        ("GET", "/v1/models/a/b", "127.0.0.1"),
        ("GET", "/v1/models", "127.0.0.1"),
    ]


def test_a_plugin_learns_the_whole_path_of_an_application_within_a_route(
    start: Start, asking: Ask, plugin: Callable[[str], str]
) -> None:
    """Litestar gives such an application the rest of the path alone."""
    source = """
from litestar.handlers import asgi
from litestar.types import Receive, Scope, Send
from litestar.response.base import ASGIResponse
heard = []
@hookimpl
def llms_authenticate(path): heard.append(path)
@hookimpl
def llms_routes():
    @asgi("/inner", is_mount=True, copy_scope=True)
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await ASGIResponse(body=b"in")(scope, receive, send)
    return [inner]
"""
    assert asking(start(plugin(source))).get("/x/of_test/inner/deep").status_code == 401
    assert of_test().heard == ["/x/of_test/inner/deep"]


HOOK = "@hookimpl\ndef llms_authenticate(headers): return None\n"
BROKEN = {
    "an import that fails": f"import a_module_that_an_upgrade_removed\n{HOOK}",
    "a misspelt argument": "@hookimpl\ndef llms_authenticate(header): return None\n",
    "a misspelt hook": "@hookimpl\ndef llms_autenticate(headers): return None\n",
    "no marker": "def llms_authenticate(headers): return None\n",
    "a generator": "@hookimpl\nasync def llms_authenticate(headers): yield None\n",
    "a wrapper": "@hookimpl(wrapper=True)\ndef llms_authenticate(headers): return (yield)\n",
    "another function for the hook": "@hookimpl(specname='llms_authenticate')\ndef check(header): return None\n",
    "a syntax error": f"{HOOK}def\n",
    "exit": f"raise SystemExit\n{HOOK}",
    "hooks of another module": "import gone\nfrom gone.hooks import *\n",
}


@pytest.mark.parametrize("source", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("keys", ["", KEYS], ids=["", "with keys"])
def test_without_a_plugin_that_authenticates_the_server_does_not_start(
    tmp_path: Path, plugin: Callable[[str], str], source: str, keys: str
) -> None:
    """It says which, why, and what to do."""
    (tmp_path / "llms.json").write_text('{"providers": {}}', "utf-8")
    (tmp_path / "plugins.toml").write_text(plugin(source) + keys, "utf-8")
    with pytest.raises(
        ConfigError, match=r"plugin 'of_test' of .*may authenticate.*disabled = "
    ) as caught:
        create_app(tmp_path / "llms.json", tmp_path / "plugins.toml")
    assert str(tmp_path / "plugins.toml") in str(caught.value)


@pytest.mark.parametrize("load", ["gone.py", "gone_module", "gone.module"])
def test_a_plugin_that_is_missing_may_be_one_that_authenticates(tmp_path: Path, load: str) -> None:
    (tmp_path / "llms.json").write_text('{"providers": {}}', "utf-8")
    (tmp_path / "plugins.toml").write_text(f'[plugins]\nload = ["{load}"]\n', "utf-8")
    with pytest.raises(ConfigError, match="gone"):
        create_app(tmp_path / "llms.json", tmp_path / "plugins.toml")


@pytest.mark.parametrize(
    "source",
    ["import gone\n", "import gone\n@hookimpl\ndef llms_request_finished(record): ...\n"],
    ids=["", "observes"],
)
def test_any_other_plugin_that_fails_does_not_keep_the_server_from_starting(
    start: Start, asking: Ask, plugin: Callable[[str], str], source: str
) -> None:
    assert asking(start(plugin(source))).chat().status_code == 200


def test_a_plugin_that_the_user_disabled_is_not_missed(
    start: Start, asking: Ask, plugin: Callable[[str], str]
) -> None:
    lines = plugin(BROKEN["a syntax error"]) + 'disabled = ["of_test"]\n'
    assert asking(start(lines)).chat().status_code == 200


# Changes of keys

CAROL = f'carol = "{digest("sk-of-carol")}"\n'


def status_of(ask: Asking, key: str) -> int:
    return ask.chat({"authorization": f"Bearer {key}"}).status_code


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check the files more often than in production, so that tests do not wait."""
    monkeypatch.setattr(background, "_POLL_INTERVAL", 0.05)


def test_a_removed_key_stops_working_within_a_second(start: Start, asking: Ask) -> None:
    assert background._POLL_INTERVAL < 1
    ask = asking(start(KEYS))
    assert status_of(ask, "sk-of-bob") == 200
    edit(ask.gateway.plugins_path, KEYS[: KEYS.index("bob")])
    until(lambda: status_of(ask, "sk-of-bob") == 401)
    assert status_of(ask, KEY) == 200
    assert "needs a restart" not in ask.gateway.log()


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize(
    "broken",
    [
        "[routing]\nstrategy = 'none'\n",
        "[nonsense]\n",
        "[server]\nmax_requests = 0\n[server.keys]\n",
    ],
    ids=str,
)
def test_a_removed_key_stops_working_even_if_the_rest_of_the_file_is_wrong(
    start: Start, asking: Ask, broken: str
) -> None:
    ask = asking(start(KEYS))
    without = KEYS[: KEYS.index("bob")]
    edit(
        ask.gateway.plugins_path,
        without.replace("[server.keys]\n", broken) if "keys" in broken else without + broken,
    )
    until(lambda: status_of(ask, "sk-of-bob") == 401)
    assert status_of(ask, KEY) == 200
    until(lambda: "the previous one stays in use" in ask.gateway.log())


@pytest.mark.usefixtures("_impatient")
def test_a_removed_key_stops_working_while_a_plugin_is_waited_for(
    start: Start, asking: Ask, plugin: Callable[[str], str]
) -> None:
    source = (
        "import threading\nheard = []\nwaiting = threading.Event()\ngo = threading.Event()\n@hookimpl\n"
        "def llms_config():\n    heard.append(1)\n    if len(heard) > 1:\n        waiting.set()\n        go.wait(10)\n"
        "    return {}\n"
    )
    toml = plugin(source)
    ask = asking(start(toml + KEYS))
    edit(ask.gateway.plugins_path, f"{toml}{KEYS}# touched\n")
    assert of_test().waiting.wait(10)
    edit(ask.gateway.plugins_path, toml + KEYS[: KEYS.index("bob")])
    until(lambda: status_of(ask, "sk-of-bob") == 401)
    assert status_of(ask, KEY) == 200
    of_test().go.set()


@pytest.mark.usefixtures("_impatient")
def test_a_removed_key_stops_working_even_if_llms_json_is_wrong(start: Start, asking: Ask) -> None:
    ask = asking(start(KEYS))
    edit(ask.gateway.config_path, "{")
    edit(ask.gateway.plugins_path, KEYS[: KEYS.index("bob")])
    until(lambda: status_of(ask, "sk-of-bob") == 401)
    assert status_of(ask, KEY) == 200


@pytest.mark.usefixtures("_impatient")
def test_an_added_key_works(start: Start, asking: Ask) -> None:
    """Also the first one: from then on, requests without a key are refused."""
    ask = asking(start(""))
    assert ask.chat().status_code == 200
    edit(ask.gateway.plugins_path, KEYS)
    until(lambda: ask.chat().status_code == 401)
    assert status_of(ask, KEY) == 200


@pytest.mark.usefixtures("_impatient")
def test_k_21_sign_in_that_is_enabled_later_closes_the_gateway(start: Start, asking: Ask) -> None:
    """K-21: and it stays closed if sign-in is disabled again."""
    ask = asking(start(""))
    assert ask.chat().status_code == 200
    config = json.loads(ask.gateway.config_path.read_text("utf-8"))
    edit(ask.gateway.config_path, json.dumps({**SIGN_IN, **config}))
    until(lambda: ask.chat().status_code == 401)
    edit(ask.gateway.config_path, json.dumps(config))
    until(lambda: ask.gateway.log().count("the configuration was reloaded") == 2)
    assert ask.chat().status_code == 401
    edit(ask.gateway.plugins_path, KEYS)
    until(lambda: status_of(ask, KEY) == 200)


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("left", ["", "[server.keys]\n", "[server]\n", "server = 1\n"])
def test_without_its_last_key_the_gateway_is_open_to_nobody(
    start: Start, asking: Ask, left: str
) -> None:
    ask = asking(start(KEYS))
    edit(ask.gateway.plugins_path, left)
    if left.startswith("server"):
        until(lambda: "server" in ask.gateway.log())
    until(lambda: status_of(ask, KEY) == 401)
    assert ask.chat().status_code == 401
    assert ask.get("/ready").json() == {"ready": True}
    assert "no client has a key" in ask.gateway.log()


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("left", ["", None, "# nobody\n"], ids=["empty", "deleted", "a comment"])
def test_a_key_that_is_removed_from_the_file_of_keys_stops_working(
    start: Start, asking: Ask, tmp_path: Path, left: str | None
) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(
        CAROL + f'dan = "{digest("sk-of-dan").upper().replace("SHA", "sha")}"\n', "utf-8"
    )
    ask = asking(start('[server]\nkeys_file = "../keys.toml"\n'))
    assert (status_of(ask, "sk-of-dan"), status_of(ask, "sk-of-carol")) == (200, 200)
    edit(path, CAROL)
    until(lambda: status_of(ask, "sk-of-dan") == 401)
    assert status_of(ask, "sk-of-carol") == 200
    path.unlink() if left is None else edit(path, left)
    until(lambda: status_of(ask, "sk-of-carol") == 401)
    assert ask.chat().status_code == 401
    edit(path, CAROL)
    until(lambda: status_of(ask, "sk-of-carol") == 200)


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize(
    "mistake", ["carol = sha\n", "[[[\n", "a = " + "[" * 10_000, "\0"], ids=lambda text: text[:4]
)
def test_a_mistake_in_the_file_of_keys_revokes_only_the_keys_that_it_no_longer_has(
    start: Start, asking: Ask, tmp_path: Path, mistake: str
) -> None:
    """The log and `/ready` tell."""
    path = tmp_path / "keys.toml"
    path.write_text(
        f'{CAROL}dan = "{digest("sk-of-dan").upper().replace("SHA", "sha")}"\n', "utf-8"
    )
    ask = asking(start('[server]\nkeys_file = "../keys.toml"\n'))
    assert status_of(ask, "sk-of-dan") == 200
    edit(path, CAROL + mistake)
    until(lambda: status_of(ask, "sk-of-dan") == 401)
    assert status_of(ask, "sk-of-carol") == 200
    until(lambda: "the previous one stays in use" in ask.gateway.log())
    ready = ask.get("/ready", {"authorization": "Bearer sk-of-carol"}).json()
    assert str(path.name) in ready["configuration_error"]


@pytest.mark.usefixtures("_impatient")
def test_a_file_of_keys_that_cannot_be_read_changes_nothing(
    start: Start, asking: Ask, tmp_path: Path
) -> None:
    """Whether a key was meant to be removed cannot be known."""
    path = tmp_path / "keys.toml"
    path.write_text(CAROL, "utf-8")
    ask = asking(start('[server]\nkeys_file = "../keys.toml"\n'))
    path.unlink()
    path.mkdir()
    until(lambda: "the previous one stays in use" in ask.gateway.log())
    assert status_of(ask, "sk-of-carol") == 200


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("left", [None, "[[[\n", "x"], ids=["deleted", "invalid", "text"])
def test_a_key_that_is_gone_with_the_rest_of_plugins_toml_stops_working(
    start: Start, asking: Ask, left: str | None
) -> None:
    ask = asking(start(KEYS))
    path = ask.gateway.plugins_path
    path.unlink() if left is None else edit(path, left)
    until(lambda: status_of(ask, KEY) == 401)
    assert ask.chat().status_code == 401
    edit(path, KEYS)
    until(lambda: status_of(ask, KEY) == 200)


@pytest.mark.usefixtures("_impatient")
def test_a_key_that_is_removed_while_the_server_starts_stops_working(
    start: Start, asking: Ask, plugin: Callable[[str], str]
) -> None:
    """Between reading the files and serving; the plugin removes it then."""
    lines = plugin(
        "import contextlib, pathlib\n@hookimpl\n@contextlib.asynccontextmanager\nasync def llms_lifespan():\n"
        "    folder = pathlib.Path(__file__).parent\n"
        "    toml = next(folder.rglob('plugins.toml'))\n"
        "    toml.write_text(toml.read_text().partition('bob')[0])\n    yield\n"
    )
    ask = asking(start(lines + KEYS))
    until(lambda: status_of(ask, "sk-of-bob") == 401)
    assert status_of(ask, KEY) == 200
