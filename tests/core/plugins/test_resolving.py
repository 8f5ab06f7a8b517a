"""Secrets that plugins keep (`llms_secrets`): `$vault:path` in both files."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from click.testing import CliRunner

from llms_core.cli import main
from llms_core.server import background
from llms_core.testing import ScriptedUpstream, error
from tests.core.server.conftest import NO_RETRIES, Asking, until

if TYPE_CHECKING:
    from tests.conftest import Gateway, Serve

Start = Callable[..., Asking]

VAULT = """
heard = []
kept = {"vault:one": "sk-marked-of-vault", "vault:other": "sk-marked-other"}
@hookimpl
def llms_secrets(reference):
    heard.append(reference)
    return kept.get(reference)
"""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Check the files more often than in production, so that tests do not wait."""
    monkeypatch.setattr(background, "_POLL_INTERVAL", 0.05)
    yield
    sys.modules.pop("llms_plugin_of_test", None)


@pytest.fixture
def start(
    upstream: ScriptedUpstream,
    served: Serve,
    asking: Callable[[Gateway], Asking],
    plugin: Callable[[str], str],
) -> Start:
    """Starts a gateway with a plugin, a provider `first`, whose block has further members, and a provider `second`."""

    def run(
        source: str = VAULT, top: dict[str, Any] | None = None, toml: str = "", **members: Any
    ) -> Asking:
        block = {
            "type": "openai-compatible",
            "base_url": upstream.base_url,
            "models": ["m"],
            **members,
        }
        second = {
            "type": "openai-compatible",
            "base_url": upstream.base_url,
            "models": ["m"],
            "needs_key": False,
        }
        config = {**(top or {}), "providers": {"first": block, "second": second}}
        return asking(served(config, NO_RETRIES + plugin(source) + toml))

    return run


def vault() -> Any:
    return sys.modules["llms_plugin_of_test"]


def disabled(client: Asking) -> Any:
    return client.get("/ready").json()["providers"]["disabled"]


def touch(client: Asking, change: Callable[[dict[str, Any]], object] = lambda config: None) -> None:
    """Write llms.json again, and wait until it has been read."""
    path = client.gateway.config_path
    config = json.loads(path.read_text("utf-8"))
    change(config)
    before = client.gateway.log().count("the configuration was")
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(config), "utf-8")
    beside.replace(path)
    until(lambda: client.gateway.log().count("the configuration was") > before)


@pytest.mark.parametrize("written", ["$vault:one", "${vault:one}", " $vault:one "])
def test_a_key_is_resolved(start: Start, upstream: ScriptedUpstream, written: str) -> None:
    client = start(api_key=written)
    assert client.chat().headers["x-llms-provider"] == "first"
    assert upstream.requests[-1].headers["authorization"] == "Bearer sk-marked-of-vault"


@pytest.mark.parametrize("written", ["Bearer $vault:one", "Bearer ${vault:one}"])
def test_a_header_is_resolved(start: Start, upstream: ScriptedUpstream, written: str) -> None:
    start(headers={"authorization": written}).chat()
    assert upstream.requests[-1].headers["authorization"] == "Bearer sk-marked-of-vault"


def test_variables_and_secrets_in_one_header(
    start: Start, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a secret contains is no reference, and a variable in upper case with a colon behind it is no secret."""
    monkeypatch.setenv("WHO", "ada")
    monkeypatch.setenv("PASSWORD", "pw")
    source = VAULT.replace("sk-marked-of-vault", "a${WHO}b")
    start(
        source,
        headers={"x-mixed": "${WHO} ${vault:one} $vault:other", "x-variables": "$WHO:${PASSWORD}"},
    ).chat()
    headers = upstream.requests[-1].headers
    assert (headers["x-mixed"], headers["x-variables"]) == (
        "ada a${WHO}b sk-marked-other",
        "ada:pw",
    )


def test_a_secret_setting_of_an_adapter_is_resolved(
    start: Start, upstream: ScriptedUpstream
) -> None:
    source = f"""{VAULT}
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import ProviderSettings, ProviderSpec
from llms_core.secret import Secret
class Settings(ProviderSettings, kw_only=True):
    token: Secret
class Adapter(OpenAICompatible):
    def __init__(self, spec, settings):
        super().__init__(spec, settings)
        assert settings.token.reveal() == "sk-marked-of-vault"
@hookimpl
def llms_providers():
    return [ProviderSpec(name="own", title="Own", adapter=Adapter, settings=Settings, needs_key=False)]
"""
    assert (
        start(source, type="own", token="$vault:one").chat().headers["x-llms-provider"] == "first"
    )


@pytest.mark.parametrize(
    "members",
    [
        {"api_key": "$vault:gone"},
        {"api_key": "$vault:gone", "needs_key": False},
        {"headers": {"x-a": "$vault:gone"}},
    ],
    ids=["a key", "a key that is not needed", "a header"],
)
def test_an_unresolved_secret_disables_its_provider_alone(
    start: Start, members: dict[str, Any]
) -> None:
    """With file, line, member and the reason, which does not repeat the reference: it could be a key."""
    client = start(**members)
    assert client.chat().headers["x-llms-provider"] == "second"
    reason = disabled(client)["first"]
    assert "$vault:… is not resolved: it is not known to plugin 'of_test' of " in reason
    assert "gone" not in reason
    assert "llms.json:" in client.gateway.log()
    assert f"providers.first: left out: {reason}" in client.gateway.log()


def test_an_unresolved_header_of_all_providers_disables_them(start: Start) -> None:
    client = start(top={"defaults": {"headers": {"x-all": "$vault:gone"}}})
    assert set(disabled(client)) == {"first", "second"}


def test_without_a_plugin_the_reason_says_what_is_missing(start: Start) -> None:
    client = start("", api_key="$vault:one")
    expected = "no key: $vault:… is not resolved: no plugin resolves it: install one that implements llms_secrets"
    assert disabled(client)["first"] == expected


FAILURES = {
    "an exception": ("raise KeyError('the vault is sealed')", "KeyError: 'the vault is sealed' ("),
    "an exit": ("raise SystemExit(3)", "SystemExit: 3"),
    "bytes": (
        "return b'sk-marked'",
        "it returned bytes instead of a str, or None for a secret of others",
    ),
    "nothing": (
        "return ' '",
        "it returned an empty secret; return None for one that does not exist",
    ),
    "a coroutine": (
        "async def later(): ...\n    return later()",
        "the hook returned a coroutine; hooks must be synchronous functions",
    ),
    "no end": (
        "import threading; threading.Event().wait()",
        "it took more than 0.1 s ([plugins] timeout)",
    ),
}


@pytest.mark.parametrize(("body", "reason"), FAILURES.values(), ids=FAILURES)
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_plugin_that_fails_disables_the_provider(start: Start, body: str, reason: str) -> None:
    source = f"@hookimpl\ndef llms_secrets(reference):\n    {body}\n"
    client = start(source, toml="timeout = 0.1\n", api_key="$vault:one")
    assert client.chat().headers["x-llms-provider"] == "second"
    assert f"of_test.py: llms_secrets failed: {reason}" in disabled(client)["first"]
    assert "sk-marked" not in disabled(client)["first"]


def test_a_plugin_that_hangs_is_waited_for_once(start: Start) -> None:
    source = "heard = []\n@hookimpl\ndef llms_secrets(reference):\n    heard.append(1)\n    import threading\n"
    client = start(
        f"{source}    threading.Event().wait()\n",
        toml="timeout = 0.1\n",
        api_key="$vault:one",
        headers={"x-other": "$vault:other"},
    )
    assert set(disabled(client)) == {"first"}
    assert vault().heard == [1]


def test_the_next_plugin_is_asked_for_what_one_does_not_know(
    start: Start, install: Callable[..., None]
) -> None:
    install("first", "@hookimpl\ndef llms_secrets(reference): return None\n")
    install("failing", "@hookimpl\ndef llms_secrets(reference): 1 / 0\n")
    assert start(api_key="$vault:one").chat().headers["x-llms-provider"] == "first"


def test_secrets_are_looked_up_once_for_each_reading_and_never_for_requests(start: Start) -> None:
    client = start(api_key="$vault:one", headers={"x-again": "$vault:one"})
    client.chat()
    client.chat()
    assert vault().heard == ["vault:one"]
    touch(client)
    assert vault().heard == ["vault:one", "vault:one"]


def test_a_reload_uses_the_new_value(start: Start, upstream: ScriptedUpstream) -> None:
    client = start(api_key="$vault:one")
    vault().kept["vault:one"] = "sk-marked-rotated"
    touch(client)
    client.chat()
    assert upstream.requests[-1].headers["authorization"] == "Bearer sk-marked-rotated"


def test_at_a_reload_the_value_of_before_is_used_on_if_the_plugin_fails(
    start: Start, upstream: ScriptedUpstream
) -> None:
    source = VAULT.replace(
        "heard.append(reference)", "heard.append(reference)\n    if len(heard) > 1: 1 / 0"
    )
    client = start(source, api_key="$vault:one")
    touch(client)
    assert client.chat().headers["x-llms-provider"] == "first"
    assert upstream.requests[-1].headers["authorization"] == "Bearer sk-marked-of-vault"
    assert "ZeroDivisionError: division by zero" in client.gateway.log()
    assert "the secret of before is used on" in client.gateway.log()


def test_a_secret_that_was_removed_is_not_used_on(start: Start) -> None:
    client = start(api_key="$vault:one")
    vault().kept.clear()
    touch(client)
    assert client.chat().headers["x-llms-provider"] == "second"


def test_requests_are_served_while_a_reload_waits_for_a_plugin(start: Start) -> None:
    client = start(api_key="$vault:one")
    vault().waiting = threading.Event()
    vault().go = threading.Event()
    original = vault().kept

    class Slow(dict[str, str]):
        def get(self, key: str, default: Any = None) -> Any:
            vault().waiting.set()
            assert vault().go.wait(10)
            return original.get(key)

    vault().kept = Slow()
    path: Path = client.gateway.config_path
    path.write_text(path.read_text("utf-8") + "\n", "utf-8")
    assert vault().waiting.wait(10)
    assert client.chat().status_code == 200
    vault().go.set()
    until(lambda: "the configuration was reloaded" in client.gateway.log())


def test_a_secret_is_shown_nowhere(start: Start, upstream: ScriptedUpstream) -> None:
    """SR-066: neither in errors, nor in the log, nor by commands; `served` looks through the log."""
    client = start(api_key="$vault:one")
    upstream.default = error(400, "no good with sk-marked-of-vault")
    assert client.chat().json()["error"]["message"] == "no good with ***"
    files = [
        "--config",
        str(client.gateway.config_path),
        "--plugins",
        str(client.gateway.plugins_path),
    ]
    for command in (
        ["ls", "--json"],
        ["route", "m", "--json"],
        ["config", "check"],
        ["plugins", "doctor"],
    ):
        shown = CliRunner().invoke(
            main, [*files, *command], prog_name="llms", catch_exceptions=False
        )
        assert "Usage" not in shown.output
        assert "sk-marked" not in shown.output


# plugins.toml

NEEDY = """
import msgspec
from llms_core.secret import Secret
class Settings(msgspec.Struct):
    token: Secret
got = []
@hookimpl
def llms_configure(settings): got.append(settings.decode(Settings).token.reveal())
"""


def test_a_setting_of_another_plugin_is_resolved(
    start: Start, install: Callable[..., None]
) -> None:
    """Whatever their order: the plugin that keeps secrets is set up first, with settings of its own."""
    install("a-needy", NEEDY, module="needy_llms")
    start(toml='[plugin.a-needy]\ntoken = "$vault:one"\n')
    assert sys.modules["needy_llms"].got == ["sk-marked-of-vault"]


def test_an_unresolved_setting_quarantines_its_plugin(
    start: Start, install: Callable[..., None]
) -> None:
    install("needy", NEEDY)
    client = start(toml='[plugin.needy]\ntoken = "$vault:gone"\n')
    found = client.get("/ready").json()["plugins"]["needy"]
    assert found["state"] == "quarantined"
    assert (
        ": plugin.needy.token: $vault:… is not resolved: it is not known to plugin"
        in found["reason"]
    )


def test_a_header_of_a_declared_type_is_resolved(start: Start, upstream: ScriptedUpstream) -> None:
    table = '[types.mine.headers]\nauthorization = "Bearer $vault:one"\n'
    client = start(toml=table, type="mine", needs_key=False)
    upstream.default = error(400, "no good with sk-marked-of-vault")
    assert client.chat().json()["error"]["message"] == "no good with ***"
    assert upstream.requests[0].headers["authorization"] == "Bearer sk-marked-of-vault"


def test_the_password_of_a_proxy_is_resolved(start: Start, upstream: ScriptedUpstream) -> None:
    """Of a proxy that is a provider, because what the proxy does is of no interest here."""
    proxy = upstream.origin.replace("http://", "http://ada:${vault:one}@")
    client = start(toml=f'[upstream]\nproxy = "{proxy}"\n', base_url="http://provider.example/v1")
    assert client.chat().status_code == 200
    assert upstream.requests[-1].headers["host"] == "provider.example"
    sent = httpx.BasicAuth("ada", "sk-marked-of-vault")._auth_header
    assert upstream.requests[-1].headers["proxy-authorization"] == sent
    touch(client)
    assert "needs a restart" not in client.gateway.log()


@pytest.mark.parametrize(
    ("table", "field"),
    [
        ('[types.mine.headers]\nx-a = "$vault:gone"\n', "types.mine.headers.x-a"),
        ('[upstream]\nproxy = "http://${vault:gone}@localhost:1"\n', "upstream.proxy"),
    ],
)
def test_any_other_unresolved_secret_of_plugins_toml_is_an_error(
    start: Start, table: str, field: str
) -> None:
    with pytest.raises(
        Exception,
        match=rf"plugins\.toml:\d+: {field}: \$vault:… is not resolved: .*\(set it, or write",
    ):
        start(toml=table)
