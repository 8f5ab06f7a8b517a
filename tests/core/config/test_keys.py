"""Keys and headers: their sources, what follows if one is missing, and that none is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from llms_core.config.model import LlmsJson
from llms_core.errors import ConfigError
from llms_core.provider import ProviderSpec
from llms_core.secret import Redactor, Secret

Read = Callable[..., LlmsJson]
Block = Callable[..., Any]

HERE = "http://localhost:8001"
SERVER = {"type": "OpenAiProvider", "base_url": HERE}


@pytest.mark.parametrize(
    "api_key", ["$MY_KEY", "${MY_KEY}", " $MY_KEY ", "sk-literal", " sk-literal\n"]
)
def test_a_key_is_a_reference_or_a_literal(block: Block, api_key: str) -> None:
    """K-05, L-10: `$NAME`, `${NAME}` or the key itself; surrounding white space is ignored."""
    provider = block({**SERVER, "api_key": api_key}, env={"MY_KEY": "sk-literal\n"})
    assert provider.settings.api_key == Secret("sk-literal")
    assert provider.disabled is None


def test_a_literal_key_that_looks_like_a_reference(reader: Read) -> None:
    """K-05: it is used, with a warning that does not contain it."""
    config = reader({"providers": {"mine": {**SERVER, "api_key": "$MY-KEY"}}})
    assert config.providers[0].settings.api_key == Secret("$MY-KEY")
    assert "is not of the form $NAME" in config.warnings[0]
    assert "MY-KEY" not in config.warnings[0]


@pytest.mark.parametrize("enabled", [{}, {"enabled": True}])
@pytest.mark.parametrize("env", [{}, {"MY_KEY": ""}, {"MY_KEY": " \n"}])
def test_a_provider_without_its_key_is_disabled(
    reader: Read, enabled: dict[str, bool], env: Mapping[str, str]
) -> None:
    """K-02, SR-079: a warning names the variable to set."""
    config = reader({"providers": {"mine": {**SERVER, **enabled, "api_key": "$MY_KEY"}}}, env=env)
    assert config.providers[0].disabled == "no key: set MY_KEY"
    assert config.warnings == ("llms.json:3: providers.mine: left out: no key: set MY_KEY",)


@pytest.mark.parametrize("kind", ["GoogleProvider", "google"])
@pytest.mark.parametrize("env", [{}, {"GOOGLE_FREE_API_KEY": ""}])
def test_google_without_its_key_is_disabled(
    block: Block, kind: str, env: Mapping[str, str]
) -> None:
    """K-02: llms.py leaves it enabled, with an empty key."""
    provider = block({"type": kind, "api_key": "$GOOGLE_FREE_API_KEY"}, "google_free", env=env)
    assert provider.disabled == "no key: set GOOGLE_FREE_API_KEY"


def test_a_disabled_provider(reader: Read) -> None:
    """K-02, L-06, SR-070: there is no warning about its key."""
    for version in (2, 3):
        config = reader(
            {
                "version": version,
                "providers": {"groq": {"enabled": False, "api_key": "$GROQ_API_KEY"}},
            }
        )
        assert config.providers[0].disabled == "disabled in llms.json"
        assert config.warnings == ()


@pytest.mark.parametrize("version", [2, 3])
def test_providers_are_enabled_by_default(reader: Read, version: int) -> None:
    """K-02, L-06."""
    for enabled in ({}, {"enabled": True}):
        config = reader({"version": version, "providers": {"groq": {**enabled, "api_key": "k"}}})
        assert config.providers[0].disabled is None


@pytest.mark.parametrize(
    ("members", "id", "env", "key", "disabled"),
    [
        ({"env": ["FIRST", "SECOND"]}, "groq", {"SECOND": "2", "GROQ_API_KEY": "g"}, "2", None),
        ({"env": ["FIRST", "SECOND"]}, "groq", {"SECOND": "2", "FIRST": "1"}, "1", None),
        (
            {"env": ["FIRST", "SECOND"]},
            "groq",
            {"GROQ_API_KEY": "g"},
            None,
            "no key: set FIRST or SECOND",
        ),
        (
            {"env": ["FIRST"], "api_key": "$SECOND"},
            "groq",
            {"FIRST": "1"},
            None,
            "no key: set SECOND",
        ),
        ({"env": ["FIRST"], "api_key": ""}, "groq", {"FIRST": "1"}, "1", None),
        ({}, "groq", {"GROQ_API_KEY": "g"}, "g", None),
        ({}, "google", {"GEMINI_API_KEY": "g"}, "g", None),
        ({}, "google", {}, None, "no key: set GOOGLE_API_KEY or GEMINI_API_KEY"),
        ({}, "openai-local", {}, None, None),
        ({"api_key": "$OPENAI_LOCAL_API_KEY"}, "openai-local", {}, None, None),
        ({}, "ollama", {}, None, None),
    ],
)
def test_variables_that_may_contain_the_key_are_tried_in_order(
    block: Block,
    members: dict[str, Any],
    id: str,
    env: Mapping[str, str],
    key: str | None,
    disabled: str | None,
) -> None:
    """L-11: the block's own, or else those of the spec; some providers need no key."""
    provider = block(members, id, v3=True, env=env)
    assert provider.settings.api_key == (None if key is None else Secret(key))
    assert provider.disabled == disabled


@pytest.mark.parametrize("api_key", [{}, {"api_key": ""}, {"api_key": None}])
def test_an_openai_compatible_server_needs_no_key(block: Block, api_key: dict[str, Any]) -> None:
    """K-05, SR-113: as with vLLM."""
    provider = block({**SERVER, **api_key})
    assert (provider.settings.api_key, provider.disabled) == (None, None)


def test_a_known_providers_key_is_sent_to_that_provider_only(block: Block) -> None:
    """SR-005: not to another host whose block has the provider's name, or only its adapter."""
    env = {"GROQ_API_KEY": "g"}
    assert block(SERVER, "groq", env=env).settings.api_key is None
    assert (
        block({"type": "openai-compatible", "api": HERE}, "groq", env=env).settings.api_key is None
    )
    elsewhere = block({"npm": "@ai-sdk/groq", "api": HERE}, v3=True, env=env)
    assert (elsewhere.settings.api_key, elsewhere.disabled) == (None, None)
    own = {"type": "OpenAiProvider", "base_url": "https://api.groq.com/openai"}
    assert block(own, "groq", env=env).settings.api_key == Secret("g")
    assert block({"type": "groq", "base_url": HERE}, env=env).settings.api_key == Secret("g")


@pytest.mark.parametrize("key", ["sk-\u20ac", "sk-a\nb", "sk-a\x00"])
def test_a_key_with_characters_that_no_header_can_hold(block: Block, key: str) -> None:
    """K-05."""
    provider = block({**SERVER, "api_key": "$MY_KEY"}, env={"MY_KEY": key})
    assert provider.settings.api_key is None
    assert provider.disabled == "the key has characters that no header can hold"


def test_headers_of_defaults_and_of_a_block(reader: Read) -> None:
    """K-15, K-16: the block takes precedence; adapters set Content-Type themselves."""
    config = reader(
        {
            "defaults": {
                "headers": {
                    "Content-Type": "application/json",
                    "User-Agent": "llms.py/1.0",
                    "X-Team": "a",
                }
            },
            "providers": {
                "one": {**SERVER, "headers": {"x-team": "b", "X-Title": "${TITLE} of $ME"}},
                "two": SERVER,
            },
        },
        env={"TITLE": "gateway", "ME": "mine"},
        strict=True,
    )
    one, two = (item.settings.headers for item in config.providers)
    assert one == {"user-agent": "llms.py/1.0", "x-team": "b", "x-title": "gateway of mine"}
    assert two == {"user-agent": "llms.py/1.0", "x-team": "a"}


def test_a_header_with_an_unset_variable_is_left_out(reader: Read) -> None:
    """K-15: with a warning."""
    config = reader({"providers": {"mine": {**SERVER, "headers": {"X-Team": "$TEAM"}}}})
    assert config.providers[0].settings.headers == {}
    assert "providers.mine.headers.X-Team: left out: TEAM is not set" in config.warnings[0]


def test_reserved_headers_are_left_out(reader: Read) -> None:
    """K-15, K-16."""
    config = reader(
        {
            "defaults": {"headers": {"Host": "x", "Content-Length": "1"}},
            "providers": {"mine": SERVER},
        }
    )
    assert config.providers[0].settings.headers == {}
    assert len(config.warnings) == 2


@pytest.mark.parametrize(
    ("name", "value"), [("a b", "x"), ("", "x"), ("x:", "y"), ("x", "a\r\nb: c"), ("x", "\u20ac")]
)
def test_an_invalid_header_is_rejected(block: Block, name: str, value: str) -> None:
    """K-15: a line break cannot add a second header."""
    with pytest.raises(
        ConfigError, match=r"not a name of a header|characters that no header can hold"
    ):
        block({**SERVER, "headers": {name: value}})


def test_a_key_may_be_a_header(block: Block) -> None:
    """K-15, K-02: then the provider is not disabled for lack of one."""
    provider = block({"headers": {"Authorization": "Bearer $TOKEN"}}, "groq", env={"TOKEN": "t"})
    assert provider.disabled is None
    assert provider.settings.headers["authorization"] == "Bearer t"


def test_keys_are_not_shown(reader: Read, specs: Mapping[str, ProviderSpec]) -> None:
    """K-05: not in a repr. The redactor gets all of them, from headers and from adapters' settings, too."""
    config = reader(
        {
            "defaults": {"headers": {"X-Api-Key": "$IN_DEFAULTS"}},
            "providers": {
                "literal": {**SERVER, "api_key": "secret-literal"},
                "off": {**SERVER, "enabled": False, "api_key": "secret-off"},
                "header": {
                    **SERVER,
                    "headers": {"Authorization": "Bearer secret-header", "api-key": "secret-api"},
                },
                "cloud": {"type": "cloud", "region": "north", "secret_key": "$IN_CLOUD"},
            },
        },
        env={"IN_DEFAULTS": "secret-defaults", "IN_CLOUD": "secret-cloud"},
    )
    assert "secret-" not in repr(config)
    redact = Redactor(config.secrets)
    for name in ("literal", "off", "header", "api", "defaults", "cloud"):
        assert redact(f"<secret-{name}>") == "<***>"
