"""`llms config check`: each message that it gives, with file, line and fix."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from llms_core.cli import main

MINE: dict[str, Any] = {
    "type": "openai-compatible",
    "base_url": "http://localhost:1/v1",
    "models": ["mine-1"],
}

Check = Callable[..., Result]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Write both files into the user's own folder, and run `llms config check` there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLMS_HOME", str(tmp_path))

    def run(providers: dict[str, Any] | None = None, plugins: str = "", *arguments: str) -> Result:
        config = {"providers": providers or {"mine": MINE}}
        Path("llms.json").write_text(json.dumps(config, indent=2), "utf-8")
        Path("plugins.toml").write_text(plugins, "utf-8")
        return CliRunner().invoke(
            main, ["config", "check", *arguments], prog_name="llms", catch_exceptions=False
        )

    return run


def test_files_without_mistakes(check: Check) -> None:
    result = check()
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "plugins.toml: ok\nllms.json: ok, 1 of 1 providers enabled\n"


STRATEGIES = "one of: fastest, least_busy, ordered, round_robin, weighted"
KINDS = (
    "one of: auth, permission, quota, rate_limit, overloaded, timeout, network, context_length, content_policy, "
    "invalid_request, model_not_found, bad_response, cancelled"
)


@pytest.mark.parametrize(
    ("plugins", "message"),
    [
        pytest.param(
            "[routing]\nstrategy = 'random'",
            f"plugins.toml:2: routing.strategy: unknown value 'random' ({STRATEGIES})",
            id="an unknown strategy",
        ),
        pytest.param(
            "[routing.policy]\nratelimit = 'next'",
            f"plugins.toml:2: routing.policy.ratelimit: unknown value 'ratelimit' (did you mean 'rate_limit'? {KINDS})",
            id="an unknown kind of error",
        ),
        pytest.param(
            "[routing.policy]\nauth = 'retry'",
            "plugins.toml:2: routing.policy.auth: unknown value 'retry' (one of: next, stop)",
            id="an unknown action",
        ),
        pytest.param(
            "[timeouts]\nidle = 30\n[timeouts.provider.mien]\nidle = 5",
            "plugins.toml:3: timeouts.provider.mien: unknown provider 'mien' (did you mean 'mine'?)",
            id="time limits for an unknown provider",
        ),
        pytest.param(
            "[routing.weights]\nmine = 1\nother = 2",
            "plugins.toml:3: routing.weights.other: unknown provider 'other' (providers: mine)",
            id="a weight for an unknown provider",
        ),
        pytest.param(
            "[upstream]\nfetch_from = ['10.1.0.1/16']",
            "plugins.toml:2: upstream.fetch_from: 10.1.0.1/16 has host bits set (such as 10.1.0.0/16)",
            id="no network",
        ),
        pytest.param(
            "[upstream]\n\nproxy = 'ftp://x'",
            "plugins.toml:3: upstream.proxy: ",
            id="a proxy that is no URL",
        ),
        pytest.param(
            "[types.acme]\nbase-url = 'https://api.acme.example/v1'",
            "plugins.toml:1: types.acme: unknown key 'base-url' (did you mean 'base_url'?)",
            id="an unknown member of a type",
        ),
        pytest.param(
            "[plugin.gaurd]\ndeny = ['x']",
            "plugins.toml:1: plugin.gaurd: no plugin 'gaurd' is installed; did you mean 'guard'? "
            '(install it, remove the table, or let requests go on without it: fail = "open")',
            id="settings of an unknown plugin",
        ),
        pytest.param(
            "[server]\nkeys_file = 'keys.toml'",
            "keys.toml: ",
            id="a file of keys that does not exist",
        ),
        pytest.param(
            "[plugins]\npins = {anthropic = '>=1'}",
            "plugins.toml:2: plugins.pins.anthropic: '>=1' is not an exact version (write \"==1.2.3\", or ",
            id="a pin that is no exact version",
        ),
    ],
)
def test_what_keeps_the_server_from_starting(check: Check, plugins: str, message: str) -> None:
    result = check({}, plugins)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("plugins", "message"),
    [
        pytest.param(
            "[routing.fallbacks]\nmine-1 = ['mine-2']",
            "plugins.toml:2: routing.fallbacks.mine-1: no enabled provider has the model 'mine-2' "
            "(did you mean 'mine-1'?)",
            id="a fallback that nobody serves",
        ),
        pytest.param(
            "[types.acme]\ntitle = 'Acme'",
            "plugins.toml:1: types.acme: `base_url` is missing, here and in llms.json "
            '(such as "https://api.acme.example/v1")',
            id="a type without a URL",
        ),
        pytest.param(
            "[plugins]\nallow = ['llms-core', 'llms-providers', 'llms-provider']",
            "plugins.toml:2: plugins.allow: no distribution 'llms-provider' is installed, so that this allows nothing "
            "(did you mean 'llms-providers'?)",
            id="a distribution that does not exist",
        ),
        pytest.param(
            "[plugins]\nallow = ['llms-core', 'llms-providers', 'anthropic']",
            "plugins.toml:2: plugins.allow: 'anthropic' is the name of a plugin, and not of a distribution, so that "
            "this allows nothing (write 'llms-providers')",
            id="a plugin in place of its distribution",
        ),
        pytest.param(
            "[plugins]\ndisabled = ['olama']",
            "plugins.toml:2: plugins.disabled: no plugin or distribution 'olama' is installed, so that this has no "
            "effect (did you mean 'ollama'?)",
            id="an unknown plugin is disabled",
        ),
        pytest.param(
            "[plugins.pins]\nllms-provders = '==1.0'",
            "plugins.toml:2: plugins.pins.llms-provders: no plugin or distribution 'llms-provders' is installed, so "
            "that this has no effect (did you mean 'llms-providers'?)",
            id="a pin of an unknown plugin",
        ),
    ],
)
def test_what_looks_like_a_mistake_in_plugins_toml(
    check: Check, plugins: str, message: str
) -> None:
    """It does not keep the server from starting."""
    result = check({}, plugins)
    assert result.exit_code == 0
    assert f"warning: {message}\n" in result.stderr


def test_a_fallback_to_a_disabled_provider(check: Check) -> None:
    off = {**MINE, "enabled": False, "models": ["other"]}
    result = check({"mine": MINE, "off": off}, "[routing.fallbacks]\nmine-1 = ['other']")
    assert (
        "no enabled provider has the model 'other' (off has it, but is not enabled)"
        in result.stderr
    )


def test_a_fallback_may_be_a_model_that_a_provider_lists(check: Check) -> None:
    result = check(
        {"mine": {**MINE, "all_models": True}}, "[routing.fallbacks]\nmine-1 = ['other']"
    )
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("block", "message"),
    [
        pytest.param(
            {**MINE, "api_key": "os.environ/MY_KEY"},
            "llms.json:3: providers.mine: left out: no key: LiteLLM's notation `os.environ/MY_KEY` is not a reference "
            "here: write $MY_KEY",
            id="a reference as in LiteLLM's files",
        ),
        pytest.param(
            {**MINE, "api_key": "$MY-KEY"},
            "llms.json:9: providers.mine.api_key: starts with $, but is not of the form $NAME or $plugin:path: it is "
            "used as the key itself",
            id="what is nearly a reference",
        ),
        pytest.param(
            {"type": "groq", "api": "https://api.groq.com/openai", "api_key": "k"},
            "llms.json:5: providers.mine.api: the URL lacks the `/v1` that the one of 'groq' has "
            "(write https://api.groq.com/openai/v1, or leave it out)",
            id="a URL without its version",
        ),
        pytest.param(
            {"type": "zai", "base_url": "https://api.z.ai/api/paas", "api_key": "k"},
            "llms.json:5: providers.mine.base_url: the URL lacks the `/v4` that the one of 'zai' has "
            "(write https://api.z.ai/api/paas/v4, or leave it out)",
            id="a URL with another version",
        ),
        pytest.param(
            {**MINE, "apikey": "k"},
            "llms.json:9: providers.mine.apikey: unknown member, ignored (did you mean 'api_key'?)",
            id="an unknown member",
        ),
        pytest.param(
            {**MINE, "api_key": "$NO_SUCH_KEY"},
            "llms.json:3: providers.mine: left out: no key: set NO_SUCH_KEY",
            id="a variable that is not set",
        ),
        pytest.param(
            {"type": "openai-compatible", "base_url": "$NO_SUCH_URL"},
            "llms.json:3: providers.mine: left out: no URL: set NO_SUCH_URL",
            id="a URL that is not set",
        ),
    ],
)
def test_what_looks_like_a_mistake_in_a_provider(
    check: Check, block: dict[str, Any], message: str
) -> None:
    result = check({"mine": block})
    assert result.exit_code == 0
    assert f"warning: {message}\n" in result.stderr


@pytest.mark.parametrize(
    ("block", "message"),
    [
        pytest.param(
            {"type": "grok-ai"},
            "llms.json:4: providers.mine.type: unknown type 'grok-ai' of provider 'mine' (did you mean ",
            id="an unknown type",
        ),
        pytest.param(
            {"type": "openai-compatible"},
            "llms.json:3: providers.mine: `base_url` is missing (the URL to which /v1/chat/completions is appended)",
            id="no URL",
        ),
        pytest.param(
            {**MINE, "base_url": "localhost:8080"},
            "llms.json:5: providers.mine.base_url: not an http(s) URL (such as https://api.example.com/v1)",
            id="a URL without a scheme",
        ),
        pytest.param(
            {**MINE, "protocol": "chats"},
            "llms.json:9: providers.mine.protocol: unknown value 'chats' "
            "(did you mean 'chat'? one of: chat, responses)",
            id="an unknown protocol",
        ),
        pytest.param(
            {**MINE, "force": {"model": "x"}},
            "llms.json:10: providers.mine.force.model: cannot be forced: it is the client's choice (remove it)",
            id="what cannot be forced",
        ),
    ],
)
def test_a_provider_that_keeps_the_server_from_starting(
    check: Check, block: dict[str, Any], message: str
) -> None:
    result = check({"mine": block})
    assert result.exit_code == 2
    assert message in result.stderr


def test_no_provider_is_enabled(check: Check) -> None:
    result = check({"mine": {**MINE, "enabled": False}})
    assert result.exit_code == 0
    assert result.stderr == (
        "warning: no provider is enabled, so that every request fails: `llms add` sets one up\n"
    )


def test_a_key_that_no_file_uses(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", "secret")
    assert check().stderr == (
        "note: DEEPSEEK_API_KEY is set, but llms.json has no provider deepseek: run `llms enable deepseek`\n"
    )
    assert check({"deepseek": {}}).stderr == ""


def test_a_misspelt_file(check: Check, tmp_path: Path) -> None:
    result = check({}, "", "--config", "llm.json")
    assert result.exit_code == 2
    assert result.stderr == (
        "llms: llm.json: the file that --config names does not exist "
        f"(correct --config, or leave it out: then the file is looked for in ./ and in {tmp_path})\n"
    )


def test_all_errors_are_listed(check: Check) -> None:
    """And not only the first, at which the server would stop."""
    result = check({}, "[routing.weights]\na-1 = 1\nb-2 = 1\n[upstream]\nfetch_from = ['x']")
    assert result.exit_code == 2
    for message in ("unknown provider 'a-1'", "unknown provider 'b-2'", "upstream.fetch_from"):
        assert message in result.stderr
