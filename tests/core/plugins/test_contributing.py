"""Providers that plugins contribute at run time (`llms_config`)."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from llms_core.cli import main
from llms_core.plugins import contributing
from llms_core.server import background
from llms_core.testing import ScriptedUpstream
from tests.core.server.conftest import NO_RETRIES, Asking, until

if TYPE_CHECKING:
    from tests.conftest import Gateway, Serve

Start = Callable[..., Asking]

SOURCE = """
heard = []
kept = {}
@hookimpl
def llms_config(changed):
    heard.append(changed)
    return dict(kept)
"""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Look for changes more often than in production, so that tests do not wait."""
    monkeypatch.setattr(background, "_POLL_INTERVAL", 0.05)
    yield
    sys.modules.pop("llms_plugin_of_test", None)


@pytest.fixture
def block(upstream: ScriptedUpstream) -> Callable[..., dict[str, Any]]:
    """Makes the block of a provider."""

    def make(*models: str, **more: Any) -> dict[str, Any]:
        return {
            "type": "openai-compatible",
            "base_url": upstream.base_url,
            "api_key": "sk-marked-1",
            "models": list(models or ("m",)),
            **more,
        }

    return make


@pytest.fixture
def start(
    served: Serve,
    asking: Callable[[Gateway], Asking],
    plugin: Callable[[str], str],
    block: Callable[..., dict[str, Any]],
) -> Start:
    """Starts a gateway with the provider `file` in llms.json, and a plugin that contributes these blocks."""

    def run(blocks: Any = None, source: str = SOURCE, toml: str = "", config: Any = ...) -> Asking:
        if config is ...:
            config = {"providers": {"file": block("m")}}
        text = source.replace("kept = {}", f"kept = {blocks or {}!r}")
        return asking(served(config, NO_RETRIES + plugin(text) + toml))

    return run


def of_test() -> Any:
    return sys.modules["llms_plugin_of_test"]


def models(client: Asking) -> list[str]:
    return [model["id"] for model in client.get("/v1/models").json()["data"]]


def providers(client: Asking) -> Any:
    return client.get("/ready").json()["providers"]


def llms(client: Asking, *arguments: str) -> str:
    gateway = client.gateway
    files = ["--config", str(gateway.config_path), "--plugins", str(gateway.plugins_path)]
    return (
        CliRunner()
        .invoke(main, [*files, *arguments], prog_name="llms", catch_exceptions=False)
        .output
    )


def test_a_contributed_provider_comes_after_the_files(start: Start, block: Any) -> None:
    client = start({"mine": block("m", "more")})
    assert client.chat().headers["x-llms-provider"] == "file"
    assert client.chat(model="more").headers["x-llms-provider"] == "mine"
    assert models(client) == ["m", "more"]
    assert providers(client)["enabled"] == ["file", "mine"]


def test_commands_show_contributed_providers(start: Start, block: Any) -> None:
    client = start({"mine": block("more")})
    assert "mine: enabled  (of the plugin 'of_test')\n  more  more\n" in llms(client, "ls")
    assert [row["plugin"] for row in json.loads(llms(client, "ls", "--json"))] == [None, "of_test"]
    assert llms(client, "route", "more") == "1. mine: more\n"


def test_without_an_llms_json_they_are_there_as_well(start: Start, block: Any) -> None:
    assert (
        start({"mine": block("more")}, config=None).chat(model="more").headers["x-llms-provider"]
        == "mine"
    )


def test_a_block_may_have_secrets_and_references(
    start: Start, block: Any, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", "sk-marked-mine")
    source = """
from llms_core.secret import Secret
@hookimpl
def llms_secrets(reference): return "sk-marked-vault"
@hookimpl
def llms_config():
    return {"one": BLOCK | {"api_key": Secret("sk-marked-one"), "models": ["one"]},
            "two": BLOCK | {"api_key": "$MINE", "models": ["two"]},
            "three": BLOCK | {"api_key": "$vault:three", "models": ["three"]}}
""".replace("BLOCK", repr(block()))
    client = start(source=source)
    for model, key in {
        "one": "sk-marked-one",
        "two": "sk-marked-mine",
        "three": "sk-marked-vault",
    }.items():
        assert client.chat(model=model).status_code == 200
        assert upstream.requests[-1].headers["authorization"] == f"Bearer {key}"


def test_a_block_may_have_the_type_of_a_plugin(start: Start, block: Any) -> None:
    source = f"""{SOURCE}
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import ProviderSpec
@hookimpl
def llms_providers(): return [ProviderSpec(name="own", title="Own", adapter=OpenAICompatible)]
"""
    assert (
        start({"mine": block("more", type="own")}, source)
        .chat(model="more")
        .headers["x-llms-provider"]
        == "mine"
    )


def test_a_name_of_the_file_is_the_files(start: Start, block: Any) -> None:
    client = start({"file": block("more"), "mine": block("more")})
    assert providers(client)["enabled"] == ["file", "mine"]
    assert client.chat(model="more").headers["x-llms-provider"] == "mine"
    expected = "llms_config: the provider 'file' is left out: "
    assert any(
        expected in line and "llms.json has one of this name" in line
        for line in client.gateway.log().split("\n")
    )
    assert expected in llms(client, "config", "check")


def test_the_first_of_two_plugins_keeps_a_name(
    start: Start, block: Any, install: Callable[..., None]
) -> None:
    install("another", f"@hookimpl\ndef llms_config(): return {{'mine': {block('first')!r}}}\n")
    client = start({"mine": block("second")})
    assert models(client) == ["m", "first"]
    assert (
        "the provider 'mine' is left out: plugin 'another' of another-llms 1.0 has one of this name"
        in (client.gateway.log())
    )


WRONG = {
    "a wrong URL": (
        {"base_url": "nowhere"},
        "llms_config: providers.bad.base_url: not an http(s) URL",
    ),
    "an unknown type": (
        {"type": "opnai-compatible"},
        "providers.bad.type: unknown type 'opnai-compatible'",
    ),
    "a wrong type of a member": ({"models": 5}, "llms_config: providers.bad.models: Expected"),
    "no JSON": (
        {"models": {1, object}},
        "llms_config: providers.bad: the block cannot be written as JSON: ",
    ),
}


@pytest.mark.parametrize(("members", "reason"), WRONG.values(), ids=WRONG)
def test_a_wrong_block_disables_its_provider_alone(
    start: Start, block: Any, members: dict[str, Any], reason: str
) -> None:
    """The place is the plugin, and no line of a file."""
    shown = repr(block(**members)).replace("<class 'object'>", "object")
    source = SOURCE.replace("dict(kept)", f"{{'bad': {shown}, **kept}}")
    client = start({"mine": block("more")}, source)
    assert client.chat(model="more").headers["x-llms-provider"] == "mine"
    found = providers(client)["disabled"]["bad"]
    assert found.startswith("plugin 'of_test' of ")
    assert reason in found
    assert reason in client.gateway.log()
    assert f"bad: not enabled: {found}" in llms(client, "ls")
    assert reason in llms(client, "plugins", "doctor")


def test_a_block_that_is_no_object_disables_its_provider_alone(start: Start, block: Any) -> None:
    client = start({"bad": "a text", "mine": block("more")})
    assert "providers.bad: Expected `object`" in providers(client)["disabled"]["bad"]
    assert models(client) == ["m", "more"]


def test_a_disabled_block_says_who_disabled_it(start: Start, block: Any) -> None:
    reason = providers(start({"mine": block(enabled=False)}))["disabled"]["mine"]
    assert reason.startswith("disabled by plugin 'of_test' of ")


FAILURES = {
    "an exception": ("raise KeyError('no table')", "KeyError: 'no table' ("),
    "an exit": ("raise SystemExit(3)", "SystemExit: 3"),
    "a list": ("return [{}]", "it returned a list instead of a mapping of providers: return {"),
    "nothing": ("pass", "it returned None instead of a mapping of providers"),
    "a number as a name": ("return {1: {}}", "the name 1 of a provider is a int instead of a str"),
    "a coroutine": ("async def later(): ...\n    return later()", "the hook returned a coroutine"),
    "no end": (
        "import threading; threading.Event().wait()",
        "it took more than 0.1 s ([plugins] timeout)",
    ),
}


@pytest.mark.parametrize(("body", "reason"), FAILURES.values(), ids=FAILURES)
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_plugin_that_fails_contributes_nothing(start: Start, body: str, reason: str) -> None:
    client = start(source=f"@hookimpl\ndef llms_config():\n    {body}\n", toml="timeout = 0.1\n")
    assert client.chat().headers["x-llms-provider"] == "file"
    assert f"of_test.py: llms_config failed: {reason}" in client.gateway.log()
    assert reason in client.get("/ready").json()["plugins"]["of_test"]["reason"]
    assert reason in llms(client, "plugins", "doctor")


# Changes


def test_a_plugin_says_that_its_providers_have_changed(start: Start, block: Any) -> None:
    client = start()
    of_test().kept["mine"] = block("more")
    threading.Thread(target=of_test().heard[0]).start()
    until(lambda: models(client) == ["m", "more"])
    del of_test().kept["mine"]
    of_test().heard[0]()
    until(lambda: models(client) == ["m"])


def test_a_plugin_is_asked_again_at_intervals(start: Start, block: Any) -> None:
    client = start(toml="[plugin.of_test]\nrefresh = 0.01\n")
    of_test().kept["mine"] = block("more")
    until(lambda: models(client) == ["m", "more"])


def test_the_same_providers_are_no_change(start: Start, block: Any) -> None:
    """Neither the log nor the discovery of models is disturbed every few seconds."""
    client = start({"mine": block("more")}, toml="[plugin.of_test]\nrefresh = 0.01\n")
    until(lambda: len(of_test().heard) > 3)
    assert "the configuration was reloaded" not in client.gateway.log()


def test_a_changed_file_asks_the_plugin_again(start: Start, block: Any) -> None:
    client = start()
    of_test().kept["mine"] = block("more")
    path = client.gateway.config_path
    path.write_text(path.read_text("utf-8") + "\n", "utf-8")
    until(lambda: models(client) == ["m", "more"])


def test_the_providers_of_before_stay_if_the_plugin_fails_later(start: Start, block: Any) -> None:
    source = SOURCE.replace("return dict(kept)", "return dict(kept or [][0])")
    client = start({"mine": block("more")}, source)
    of_test().kept.clear()
    of_test().heard[0]()
    until(lambda: "llms_config failed: IndexError" in client.gateway.log())
    assert client.chat(model="more").headers["x-llms-provider"] == "mine"


def test_a_plugin_that_failed_is_asked_again(
    start: Start, block: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contributing, "RETRY", 0.01)
    client = start(source=SOURCE.replace("return dict(kept)", "return dict(kept or [][0])"))
    of_test().kept["mine"] = block("more")
    until(lambda: models(client) == ["m", "more"])
    assert client.get("/ready").json()["plugins"]["of_test"]["reason"] == ""


def test_secrets_are_not_looked_up_again_for_a_change_of_providers(
    start: Start, block: Any
) -> None:
    hook = (
        "@hookimpl\ndef llms_secrets(reference):\n    asked.append(reference)\n    return 'sk-x'\n"
    )
    source = f"{SOURCE}\nasked = []\n{hook}"
    client = start({"mine": block("more", api_key="$vault:a")}, source)
    of_test().kept["other"] = block("other", api_key="$vault:b")
    of_test().heard[0]()
    until(lambda: "other" in models(client))
    assert of_test().asked == ["vault:a", "vault:b"]


def test_requests_are_served_while_the_plugin_waits(start: Start) -> None:
    waiting, go = threading.Event(), threading.Event()
    source = SOURCE.replace(
        "    return", "    if len(heard) > 1: waiting.set(); go.wait(10)\n    return"
    )
    client = start(source=source)
    of_test().waiting = waiting
    of_test().go = go
    of_test().heard[0]()
    assert waiting.wait(10)
    assert client.chat().status_code == 200
    go.set()


def test_a_provider_of_plugins_toml_may_come_later(start: Start) -> None:
    """Without such a plugin, an unknown name is an error."""
    toml = "[routing.weights]\nlater = 2\n"
    client = start(toml=toml)
    assert client.chat().status_code == 200
    assert "routing.weights.later: unknown provider 'later'" in client.gateway.log()
    with pytest.raises(Exception, match="unknown provider 'later'"):
        start(source="", toml=toml)


@pytest.mark.parametrize("value", ["0", "-1", "true", '"often"'])
def test_an_invalid_interval_is_reported(start: Start, value: str) -> None:
    client = start(toml=f"[plugin.of_test]\nrefresh = {value}\n")
    found = client.get("/ready").json()["plugins"]["of_test"]
    assert found["state"] == "quarantined"
    assert "plugin.of_test.refresh: " in found["reason"]
    assert "is not a number of seconds (such as 60)" in found["reason"]
