"""Authentication: no key is required unless keys are configured (SR-003, SR-004); then SR-067 holds."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from llms_core import ConfigError
from llms_core.server.app import create_app
from llms_core.testing import ScriptedUpstream
from tests.core.server.conftest import CHAT, HELLO, TEXT, Asking, Pair, Wire, error_of, request_of, running

if TYPE_CHECKING:
    from tests.conftest import Gateway, ProviderBlock, Serve

Ask = Callable[["Gateway"], Asking]
Connect = Callable[["Gateway"], Wire]
Start = Callable[[str], "Gateway"]

KEY = "sk-of-ada"
REFUSAL = {
    "error": {"message": "Authentication required", "type": "authentication_error", "code": "unauthorized"},
}


def digest(key: str) -> str:
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


KEYS = f'[server.keys]\nada = "{digest(KEY)}"\nbob = "{digest("sk-of-bob")}"\n'


@pytest.fixture
def start(upstream: ScriptedUpstream, provider: ProviderBlock, config_of: Callable[..., Any], served: Serve) -> Start:
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
    assert ask.post({"model": "m", "messages": HELLO}, f"{CHAT}?api_key={KEY}&key={KEY}").status_code == 401


def test_sr_067_an_unknown_caller_is_refused_before_the_body_is_read(closed: Pair, wire: Connect) -> None:
    connection = wire(closed.gateway)
    connection.send(request_of(b"", headers={"content-length": "1000"}))
    assert connection.answer().status_code == 401


def test_sr_067_an_unknown_caller_learns_nothing_about_the_body(ask: Asking) -> None:
    """SR-067: neither whether a model exists nor what is wrong."""
    assert {ask.post(body).status_code for body in (b"{bad", {"model": "unknown", "messages": HELLO}, {})} == {401}


@pytest.mark.parametrize("path", ["/health", "/ready", "/", "/docs"])
def test_the_status_needs_no_key(ask: Asking, path: str) -> None:
    """Load balancers call it without one."""
    assert ask.get(path).status_code == 200


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


def test_a_plugin_authenticates_a_caller(start: Start, asking: Ask, plugin: Callable[[str], str]) -> None:
    assert asking(start(plugin(ALLOW))).chat({"x-who": "dan"}).status_code == 200


def test_a_plugin_gets_headers_with_lower_case_names(start: Start, asking: Ask, plugin: Callable[[str], str]) -> None:
    asking(start(plugin(ALLOW))).chat({"X-Who": "dan", "Cookie": "a=b"})
    headers = of_test().heard[0]
    assert (headers["x-who"], headers["cookie"]) == ("dan", "a=b")


def test_sr_067_no_plugin_authenticates_the_caller(start: Start, asking: Ask, plugin: Callable[[str], str]) -> None:
    """SR-067: with such a plugin, a request without a key is refused."""
    response = asking(start(plugin(ALLOW))).chat()
    assert (response.status_code, response.json()) == (401, REFUSAL)


def test_a_key_or_a_plugin_is_enough(start: Start, asking: Ask, plugin: Callable[[str], str]) -> None:
    ask = asking(start(plugin(ALLOW) + KEYS))
    assert ask.chat({"x-who": "dan"}).status_code == 200
    assert ask.chat({"authorization": f"Bearer {KEY}"}).status_code == 200


@pytest.mark.parametrize(("headers", "name"), [({"x-who": "dan"}, "dan"), ({"authorization": f"Bearer {KEY}"}, "ada")])
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


def test_a_plugin_can_refuse_with_its_own_message(start: Start, asking: Ask, plugin: Callable[[str], str]) -> None:
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


@pytest.mark.parametrize("body", ["raise KeyError('x')", "return True", "return 'dan'", "return {'name': 'dan'}"])
def test_sr_067_a_failing_plugin_lets_nobody_in(
    start: Start, asking: Ask, plugin: Callable[[str], str], body: str
) -> None:
    """SR-067: an unexpected exception, and a result that is not a Caller."""
    response = asking(start(plugin(f"@hookimpl\ndef llms_authenticate(headers): {body}\n"))).chat()
    assert (response.status_code, response.json()) == (401, REFUSAL)


def test_a_failing_plugin_is_logged(start: Start, asking: Ask, plugin: Callable[[str], str]) -> None:
    """Otherwise the operator could not find out why every request is refused."""
    gateway = start(plugin("@hookimpl\ndef llms_authenticate(headers): return headers['no-such-header']\n"))
    asking(gateway).chat()
    assert "of_test" in gateway.log()
    assert "no-such-header" in gateway.log()
