"""Keys and headers: where they come from, what follows where there is none, and that nobody sees them."""

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


@pytest.mark.parametrize("api_key", ["$MY_KEY", "${MY_KEY}", " $MY_KEY ", "sk-literal", " sk-literal\n"])
def test_a_key_is_a_reference_or_itself(block: Block, api_key: str) -> None:
    """K-05, L-10: `$NAME`, `${NAME}` or the key, without white space around it."""
    provider = block({**SERVER, "api_key": api_key}, env={"MY_KEY": "sk-literal\n"})
    assert provider.settings.api_key == Secret("sk-literal")
    assert provider.disabled is None


def test_a_key_that_only_looks_like_a_reference(reader: Read) -> None:
    """K-05: it is taken as it is, with a warning that does not show it."""
    config = reader({"providers": {"mine": {**SERVER, "api_key": "$MY-KEY"}}})
    assert config.providers[0].settings.api_key == Secret("$MY-KEY")
    assert "no $NAME" in config.warnings[0]
    assert "MY-KEY" not in config.warnings[0]


@pytest.mark.parametrize("enabled", [{}, {"enabled": True}])
@pytest.mark.parametrize("env", [{}, {"MY_KEY": ""}, {"MY_KEY": " \n"}])
def test_without_its_key_a_provider_is_no_candidate(
    reader: Read, enabled: dict[str, bool], env: Mapping[str, str]
) -> None:
    """K-02, SR-079: and a warning says which variable to set."""
    config = reader({"providers": {"mine": {**SERVER, **enabled, "api_key": "$MY_KEY"}}}, env=env)
    assert config.providers[0].disabled == "no key: set MY_KEY"
    assert config.warnings == ("llms.json:3: providers.mine: left out: no key: set MY_KEY",)


@pytest.mark.parametrize("kind", ["GoogleProvider", "google"])
@pytest.mark.parametrize("env", [{}, {"GOOGLE_FREE_API_KEY": ""}])
def test_google_without_its_key_is_no_candidate(block: Block, kind: str, env: Mapping[str, str]) -> None:
    """K-02: llms.py leaves it enabled, with an empty key."""
    provider = block({"type": kind, "api_key": "$GOOGLE_FREE_API_KEY"}, "google_free", env=env)
    assert provider.disabled == "no key: set GOOGLE_FREE_API_KEY"


def test_a_provider_that_is_switched_off(reader: Read) -> None:
    """K-02, L-06, SR-070: no candidate, and no warning about its key."""
    for version in (2, 3):
        config = reader({"version": version, "providers": {"groq": {"enabled": False, "api_key": "$GROQ_API_KEY"}}})
        assert config.providers[0].disabled == "disabled in llms.json"
        assert config.warnings == ()


@pytest.mark.parametrize("version", [2, 3])
def test_enabled_is_what_a_provider_is_unless_it_says_otherwise(reader: Read, version: int) -> None:
    """K-02, L-06."""
    for enabled in ({}, {"enabled": True}):
        config = reader({"version": version, "providers": {"groq": {**enabled, "api_key": "k"}}})
        assert config.providers[0].disabled is None


@pytest.mark.parametrize(
    ("members", "id", "env", "key", "disabled"),
    [
        ({"env": ["FIRST", "SECOND"]}, "groq", {"SECOND": "2", "GROQ_API_KEY": "g"}, "2", None),
        ({"env": ["FIRST", "SECOND"]}, "groq", {"SECOND": "2", "FIRST": "1"}, "1", None),
        ({"env": ["FIRST", "SECOND"]}, "groq", {"GROQ_API_KEY": "g"}, None, "no key: set FIRST or SECOND"),
        ({"env": ["FIRST"], "api_key": "$SECOND"}, "groq", {"FIRST": "1"}, None, "no key: set SECOND"),
        ({"env": ["FIRST"], "api_key": ""}, "groq", {"FIRST": "1"}, "1", None),
        ({}, "groq", {"GROQ_API_KEY": "g"}, "g", None),
        ({}, "google", {"GEMINI_API_KEY": "g"}, "g", None),
        ({}, "google", {}, None, "no key: set GOOGLE_API_KEY or GEMINI_API_KEY"),
        ({}, "openai-local", {}, None, None),
        ({"api_key": "$OPENAI_LOCAL_API_KEY"}, "openai-local", {}, None, None),
        ({}, "ollama", {}, None, None),
    ],
)
def test_variables_are_tried_in_order(
    block: Block, members: dict[str, Any], id: str, env: Mapping[str, str], key: str | None, disabled: str | None
) -> None:
    """L-11: the block's own, else those that the provider is known to have; some providers need none."""
    provider = block(members, id, v3=True, env=env)
    assert provider.settings.api_key == (None if key is None else Secret(key))
    assert provider.disabled == disabled


@pytest.mark.parametrize("api_key", [{}, {"api_key": ""}, {"api_key": None}])
def test_a_server_of_ones_own_needs_no_key(block: Block, api_key: dict[str, Any]) -> None:
    """K-05, SR-113: vLLM and its kin."""
    provider = block({**SERVER, **api_key})
    assert (provider.settings.api_key, provider.disabled) == (None, None)


def test_a_known_providers_key_goes_to_that_provider_alone(block: Block) -> None:
    """SR-005: not to another host whose block has the provider's name, or merely its adapter."""
    env = {"GROQ_API_KEY": "g"}
    assert block(SERVER, "groq", env=env).settings.api_key is None
    assert block({"npm": "@ai-sdk/groq", "api": HERE}, v3=True, env=env).settings.api_key is None
    own = {"type": "OpenAiProvider", "base_url": "https://api.groq.com/openai"}
    assert block(own, "groq", env=env).settings.api_key == Secret("g")
    assert block({"type": "groq", "base_url": HERE}, env=env).settings.api_key == Secret("g")


@pytest.mark.parametrize("key", ["sk-\u20ac", "sk-a\nb", "sk-a\x00"])
def test_a_key_that_no_header_can_hold(block: Block, key: str) -> None:
    """K-05."""
    provider = block({**SERVER, "api_key": "$MY_KEY"}, env={"MY_KEY": key})
    assert provider.settings.api_key is None
    assert provider.disabled == "the key has characters that no header can hold"


def test_headers_of_defaults_and_of_a_block(reader: Read) -> None:
    """K-15, K-16: the block's win; adapters set Content-Type themselves."""
    config = reader(
        {
            "defaults": {"headers": {"Content-Type": "application/json", "User-Agent": "llms.py/1.0", "X-Team": "a"}},
            "providers": {"one": {**SERVER, "headers": {"x-team": "b", "X-Title": "${TITLE} of $ME"}}, "two": SERVER},
        },
        env={"TITLE": "gateway", "ME": "mine"},
        strict=True,
    )
    one, two = (item.settings.headers for item in config.providers)
    assert one == {"user-agent": "llms.py/1.0", "x-team": "b", "x-title": "gateway of mine"}
    assert two == {"user-agent": "llms.py/1.0", "x-team": "a"}


def test_a_header_whose_variable_is_not_set_is_left_out(reader: Read) -> None:
    """K-15: with a warning."""
    config = reader({"providers": {"mine": {**SERVER, "headers": {"X-Team": "$TEAM"}}}})
    assert config.providers[0].settings.headers == {}
    assert "providers.mine.headers.X-Team: left out: TEAM is not set" in config.warnings[0]


def test_headers_that_are_not_for_a_file_to_set(reader: Read) -> None:
    """K-15, K-16."""
    config = reader({"defaults": {"headers": {"Host": "x", "Content-Length": "1"}}, "providers": {"mine": SERVER}})
    assert config.providers[0].settings.headers == {}
    assert len(config.warnings) == 2


@pytest.mark.parametrize(("name", "value"), [("a b", "x"), ("", "x"), ("x:", "y"), ("x", "a\r\nb: c"), ("x", "\u20ac")])
def test_a_header_that_is_none(block: Block, name: str, value: str) -> None:
    """K-15: no second header can be smuggled in."""
    with pytest.raises(ConfigError, match=r"not a name of a header|characters that no header can hold"):
        block({**SERVER, "headers": {name: value}})


def test_a_key_may_be_a_header(block: Block) -> None:
    """K-15, K-02: then no other is missing."""
    provider = block({"headers": {"Authorization": "Bearer $TOKEN"}}, "groq", env={"TOKEN": "t"})
    assert provider.disabled is None
    assert provider.settings.headers["authorization"] == "Bearer t"


def test_nobody_sees_a_key(reader: Read, specs: Mapping[str, ProviderSpec]) -> None:
    """K-05: not in a repr; and the redactor is told of every one, in headers and in members of an adapter's own too."""
    config = reader(
        {
            "defaults": {"headers": {"X-Api-Key": "$IN_DEFAULTS"}},
            "providers": {
                "literal": {**SERVER, "api_key": "secret-literal"},
                "off": {**SERVER, "enabled": False, "api_key": "secret-off"},
                "header": {**SERVER, "headers": {"Authorization": "Bearer secret-header", "api-key": "secret-api"}},
                "cloud": {"type": "cloud", "region": "north", "secret_key": "$IN_CLOUD"},
            },
        },
        env={"IN_DEFAULTS": "secret-defaults", "IN_CLOUD": "secret-cloud"},
    )
    assert "secret-" not in repr(config)
    redact = Redactor(config.secrets)
    for name in ("literal", "off", "header", "api", "defaults", "cloud"):
        assert redact(f"<secret-{name}>") == "<***>"
