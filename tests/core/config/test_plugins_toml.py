"""plugins.toml, which is always read strictly."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms_core.config.model import (
    Breaker,
    ClientKey,
    FailoverTimeouts,
    PluginsToml,
    ProviderTimeouts,
    Retry,
)
from llms_core.config.plugins_toml import load, read
from llms_core.errors import ConfigError, ErrorKind

DIGEST = hashlib.sha256(b"a key").hexdigest()


def test_an_empty_file_gives_the_defaults() -> None:
    """Architecture 7."""
    assert read(b"", "plugins.toml") == PluginsToml(path="plugins.toml")


def test_all_tables(tmp_path: Path) -> None:
    """Architecture 7: [plugins], [server], [routing], [timeouts], [upstream], [plugin.NAME], [types.NAME]."""
    path = tmp_path / "plugins.toml"
    path.write_text(
        f"""\
        [plugins]
        disabled = ["bedrock"]
        allow = ["llms-providers"]
        pins = {{ llms-providers = "0.1.0" }}
        [server]
        keys.alice = "sha256:{DIGEST.upper()}"
        drain = 5
        explain_errors = true
        stream_usage = "always"
        llms_py = true
        [routing]
        strategy = "weighted"
        weights = {{ groq = 2 }}
        policy = {{ content_policy = "next" }}
        fallbacks = {{ big = ["small"] }}
        retry.attempts = 3
        commit = "whole"
        breaker = {{ cooldown = 2, longest = 20 }}
        [timeouts]
        content = 30
        failover = {{ first_token = 20, total = 90 }}
        [timeouts.provider."z.ai"]
        total = 5
        [upstream]
        engine = "httpx"
        [plugin.mine]
        since = 2026-01-01
        [types.other]
        base_url = "https://api.example.com/v1"
        """
    )
    config = load(path)
    assert config.path == str(path)
    assert config.plugins.disabled == ("bedrock",)
    assert config.server.keys == {"alice": ClientKey(hash=f"sha256:{DIGEST}")}
    assert config.routing.policy == {ErrorKind.CONTENT_POLICY: "next"}
    assert config.routing.fallbacks == {"big": ("small",)}
    assert config.routing.retry == Retry(attempts=3)
    assert config.routing.commit == "whole"
    assert config.routing.breaker == Breaker(cooldown=2.0, longest=20.0)
    server = config.server
    assert (server.explain_errors, server.stream_usage, server.llms_py) == (True, "always", True)
    assert config.timeouts.content == 30
    assert config.timeouts.failover == FailoverTimeouts(first_token=20.0, total=90.0)
    assert config.timeouts.provider == {"z.ai": ProviderTimeouts(total=5.0)}
    assert set(config.plugin) == {"mine"}
    assert config.types == {"other": {"base_url": "https://api.example.com/v1"}}


TOP = (
    "plugins, server, routing, timeouts, upstream, responses, ledger, metrics, otel, plugin, types"
)
STRATEGIES = "did you mean 'fastest'? one of: fastest, least_busy, ordered, round_robin, weighted"


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("[servr]", "1: servr", "unknown member (did you mean 'server'?)"),
        (
            "[server]\n\nkeepalive = 1\n",
            "3: server.keepalive",
            "unknown member (did you mean 'keep_alive'?)",
        ),
        (
            "[routing]\nretry.tries = 1",
            "2: routing.retry.tries",
            "unknown member (known here: attempts, base, longest)",
        ),
        (
            "[timeouts.provider.a]\ntotal = 1\n[timeouts.provider.b]\ntotl = 1",
            "4: timeouts.provider.b.totl",
            "unknown member (did you mean 'total'?)",
        ),
        ("path = 'x'", "1: path", f"unknown member (known here: {TOP})"),
        ("[server]\nmax_requests = 'many'", "2: server.max_requests", "Expected `int`, got `str`"),
        (
            "[routing]\nweights = { a = 1, b = -1 }",
            "2: routing.weights.b",
            "Expected `float` >= 0.0",
        ),
        (
            "[routing]\ncommit = 'first'",
            "2: routing.commit",
            "unknown value 'first' (one of: content, whole)",
        ),
        ("[server]\nstream_usage = true", "2: server.stream_usage", "Expected `str`, got `bool`"),
        (
            "[server]\nexplain_errors = 'yes'",
            "2: server.explain_errors",
            "Expected `bool`, got `str`",
        ),
        ("[timeouts.failover]\ntotal = 0", "2: timeouts.failover.total", "Expected `float` > 0.0"),
        (
            "[timeouts.failover]\nidle = 1",
            "2: timeouts.failover.idle",
            "unknown member (known here: first_token, total)",
        ),
        ("[timeouts]\ncontent = -1", "2: timeouts.content", "Expected `float` > 0.0"),
        (
            "[routing.policy]\nauth = 'retry'",
            "2: routing.policy.auth",
            "unknown value 'retry' (one of: next, stop)",
        ),
        (
            "[routing]\nstrategy = 'fairest'",
            "2: routing.strategy",
            f"unknown value 'fairest' ({STRATEGIES})",
        ),
        ("[plugin]\nmine = 1", "2: plugin.mine", "Expected `object`, got `int`"),
    ],
)
def test_an_error_names_line_and_key(text: str, where: str, message: str) -> None:
    """Architecture 7: and the most similar name."""
    with pytest.raises(ConfigError) as caught:
        read(text.encode(), "plugins.toml")
    assert str(caught.value) == f"plugins.toml:{where}: {message}"


@pytest.mark.parametrize(
    "key",
    [
        "sk-my-own-key",
        DIGEST,
        f"sha256:{DIGEST[:-1]}",
        f"sha256:{DIGEST[:-1]}g",
        f"md5:{DIGEST}",
        "",
    ],
)
def test_a_key_has_to_be_a_hash(key: str) -> None:
    """Architecture 9: the message contains a hint, and never the value."""
    with pytest.raises(
        ConfigError, match=r"server\.keys\.alice: .*sha256: and the 64 hexadecimal digits"
    ) as caught:
        read(f'[server.keys]\nbob = "sha256:{DIGEST}"\nalice = "{key}"'.encode(), "plugins.toml")
    assert caught.value.line == 3
    assert not key or key not in str(caught.value)


def test_a_key_may_have_permissions() -> None:
    toml = (
        f'[server.keys]\nbob = "sha256:{DIGEST}"\n'
        f'[server.keys.alice]\nhash = "sha256:{DIGEST.upper()}"\nadmin = true'
    )
    keys = read(toml.encode(), "plugins.toml").server.keys
    assert keys == {
        "bob": ClientKey(hash=f"sha256:{DIGEST}"),
        "alice": ClientKey(hash=f"sha256:{DIGEST}", admin=True),
    }


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            f'hash = "sha256:{DIGEST}"\nadmn = true',
            "3: server.keys.alice.admn: unknown member (did you mean 'admin'?)",
        ),
        (
            f'hash = "sha256:{DIGEST}"\nadmin = "yes"',
            "3: server.keys.alice.admin: Expected `bool`, got `str`",
        ),
        ("admin = true", "1: server.keys.alice: `hash` is missing"),
        ('hash = "sk-my-own-key"', "1: server.keys.alice: not the hash of a key"),
    ],
)
def test_an_invalid_table_of_a_key(lines: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(f"[server.keys.alice]\n{lines}".encode(), "plugins.toml")
    assert str(caught.value).startswith(f"plugins.toml:{message}")
    assert "sk-my-own-key" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[server]\nkeys = ", r"plugins\.toml:2: not valid TOML: Invalid value"),
        (b"[server]\nkeys = x\n", r"plugins\.toml:2: not valid TOML: Invalid value, column 8"),
        (b"[server]\n[server]\n", r"plugins\.toml:\d: not valid TOML: Cannot declare"),
        (b"a = 1\na = 2", r"not valid TOML: Cannot overwrite"),
        (b"a = '\xff'", r"plugins\.toml:1: the file is not UTF-8"),
        (b"a = " + b"[" * 5000, r"plugins\.toml: not valid TOML"),
    ],
)
def test_invalid_toml_is_rejected(text: bytes, message: str) -> None:
    """Architecture 7."""
    with pytest.raises(ConfigError, match=message):
        read(text, "plugins.toml")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """Architecture 7."""
    with pytest.raises(ConfigError, match=r"cannot be read: No such file"):
        load(tmp_path / "gone.toml")


NAME = st.sampled_from(
    ["server", "keys", "routing", "policy", "retry", "timeouts", "provider", "plugin", "x", '"a.b"']
)
VALUE = st.sampled_from(["1", "'x'", "[]", "{}", "true", "{a=1}", "2026-01-01", "[{a=1}]", "-1.5"])
LINE = (
    st.builds("[{}.{}]".format, NAME, NAME)
    | st.builds("{} = {}".format, NAME, VALUE)
    | st.builds("[{}]".format, NAME)
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.lists(LINE, max_size=5))
def test_any_toml_is_read_or_rejected(lines: list[str]) -> None:
    """Architecture 7: reading gives settings, or raises ConfigError."""
    with suppress(ConfigError):
        assert read("\n".join(lines).encode(), "plugins.toml").path == "plugins.toml"


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://app.example", "https://app.example"),
        ("HTTPS://App.Example/", "https://app.example"),
        ("https://app.example:443", "https://app.example"),
        ("http://app.example:80", "http://app.example"),
        ("http://app.example:443", "http://app.example:443"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("app://obsidian.md", "app://obsidian.md"),
        ("null", "null"),
        ("*", "*"),
    ],
)
def test_origins_are_compared_as_browsers_write_them(given: str, origin: str) -> None:
    assert read(f'[server]\norigins = ["{given}"]'.encode(), "plugins.toml").server.origins == (
        origin,
    )


@pytest.mark.parametrize(
    "origin",
    ["app.example", "https://app.example/path", "https://*.example", "https://", "", "a b"],
)
def test_an_invalid_origin(origin: str) -> None:
    with pytest.raises(
        ConfigError,
        match=r"plugins\.toml:2: server\.origins: .*is not an origin.*https://app\.example",
    ):
        read(f'[server]\norigins = ["{origin}"]'.encode(), "plugins.toml")


@pytest.mark.parametrize(
    ("given", "host"), [("Gateway.Example", "gateway.example"), ("[FD00::1]", "fd00::1")]
)
def test_hosts_are_compared_without_case(given: str, host: str) -> None:
    assert read(f'[server]\nhosts = ["{given}"]'.encode(), "plugins.toml").server.hosts == (host,)


@pytest.mark.parametrize("host", ["gateway.example:8000", "http://gateway.example", "*", "", "a b"])
def test_an_invalid_host(host: str) -> None:
    with pytest.raises(
        ConfigError, match=r"plugins\.toml:2: server\.hosts: .*is not the name of a host"
    ):
        read(f'[server]\nhosts = ["{host}"]'.encode(), "plugins.toml")
