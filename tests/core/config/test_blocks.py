"""A provider block: parameters, settings of its adapter, members that are not used."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args, get_origin

import msgspec
import pytest

from llms_core.config.model import LlmsJson
from llms_core.config.shape import Parameters
from llms_core.contracts.request import ChatRequest, decode, with_provider_settings
from llms_core.errors import ConfigError
from llms_core.provider import ProviderSpec
from llms_core.secret import Secret

Read = Callable[..., LlmsJson]
Block = Callable[..., Any]

SERVER = {"type": "OpenAiProvider", "base_url": "http://localhost:8001"}
SCALARS = {
    "temperature": 0.7,
    "top_p": 0.9,
    "top_logprobs": 3,
    "frequency_penalty": -1,
    "presence_penalty": 1.5,
    "max_completion_tokens": 100,
    "n": 2,
    "parallel_tool_calls": False,
    "prompt_cache_key": "k",
    "reasoning_effort": "low",
    "safety_identifier": "s",
    "seed": 42,
    "service_tier": "flex",
    "stop": ["a", "b"],
    "store": True,
    "verbosity": "low",
    "enable_thinking": False,
}


@pytest.mark.parametrize("v3", [False, True])
def test_parameters_apply_to_requests_that_do_not_set_them(block: Block, v3: bool) -> None:
    """K-13, L-18, SR-120: the client takes precedence, unlike in llms.py."""
    provider = block({**SERVER, **SCALARS, "stream": True}, v3=v3, strict=True)
    assert {
        name: json.loads(bytes(raw)) for name, raw in provider.settings.defaults.items()
    } == SCALARS
    asked = decode(b'{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":0.9}')
    found = with_provider_settings(asked, provider.settings.defaults, provider.settings.force)
    assert (found.view.temperature, found.view.seed, bytes(found.members["temperature"])) == (
        0.9,
        42,
        b"0.9",
    )


def test_forced_parameters(block: Block) -> None:
    """K-13: they override the client's, as all parameters do in llms.py."""
    provider = block(
        {**SERVER, "force": {"temperature": 0.1, "reasoning": {"effort": "low"}}}, strict=True
    )
    forced = {name: json.loads(bytes(raw)) for name, raw in provider.settings.force.items()}
    assert forced == {"temperature": 0.1, "reasoning": {"effort": "low"}}


@pytest.mark.parametrize(
    ("name", "value"), [("stop", "a"), ("temperature", 0), ("temperature", 2), ("top_logprobs", 20)]
)
def test_limits_of_the_ranges_are_accepted(block: Block, name: str, value: object) -> None:
    """K-13, SR-012, SR-018, SR-022."""
    assert block({**SERVER, name: value, "force": {name: value}}).disabled is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 2.1),
        ("temperature", "hot"),
        ("top_p", 1.1),
        ("top_logprobs", 21),
        ("frequency_penalty", -2.1),
        ("presence_penalty", 2.1),
        ("max_completion_tokens", 0),
        ("n", 0),
        ("seed", 1.5),
        ("stop", 1),
        ("enable_thinking", "no"),
    ],
)
def test_parameters_outside_of_the_ranges_of_a_request_are_rejected(
    block: Block, name: str, value: object
) -> None:
    """K-13, SR-012 … SR-024."""
    with pytest.raises(ConfigError, match=rf"providers\.mine\.{name}: "):
        block({**SERVER, name: value})
    with pytest.raises(ConfigError, match=rf"providers\.mine\.force\.{name}: "):
        block({**SERVER, "force": {name: value}})


def test_ranges_are_equal_to_those_of_a_request() -> None:
    """K-13: they are written twice, in config/shape.py and in the contract of requests."""

    def bounds(struct: type[msgspec.Struct]) -> dict[str, object]:
        # Without the examples of the file.
        types = {field.name: field.type for field in msgspec.structs.fields(struct)}
        return {
            name: get_args(kind)[0] if get_origin(kind) is Annotated else kind
            for name, kind in types.items()
        }

    request, file = bounds(ChatRequest), bounds(Parameters)
    for name in request.keys() & file.keys():
        assert file[name] == request[name]
    assert set(file) == set(SCALARS)


@pytest.mark.parametrize("name", ["model", "messages", "stream"])
def test_the_clients_own_parameters_cannot_be_forced(block: Block, name: str) -> None:
    """K-13."""
    with pytest.raises(ConfigError, match=rf"providers\.mine\.force\.{name}: cannot be forced"):
        block({**SERVER, "force": {name: "x"}})


def test_null_is_the_same_as_absent(block: Block) -> None:
    """K-13, SR-027."""
    members = {
        **SERVER,
        **dict.fromkeys(SCALARS),
        "force": None,
        "headers": None,
        "check": None,
        "pricing": None,
    }
    provider = block(members, strict=True)
    assert (provider.settings.defaults, provider.settings.force) == ({}, {})


def test_settings_of_the_adapter(block: Block) -> None:
    """K-11, K-12, SR-117: members of llms.py's that only some adapters have."""
    members = {
        "type": "GoogleProvider",
        "api_key": "k",
        "safety_settings": [
            {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "threshold": "BLOCK_ONLY_HIGH"}
        ],
        "thinking_config": {"thinkingBudget": 1024, "includeThoughts": True},
    }
    settings = block(members, strict=True).settings
    assert settings.safety_settings == members["safety_settings"]
    assert settings.thinking_config == members["thinking_config"]


def test_settings_that_the_adapter_does_not_have(
    reader: Read, specs: Mapping[str, ProviderSpec]
) -> None:
    """K-11, K-12: a warning, but not if the provider is not used anyway."""
    members = {
        "type": "GoogleProvider",
        "api_key": "$KEY",
        "safety_settings": [],
        "thinking_config": {},
    }
    config = {"providers": {"mine": members}}
    plain = {**specs, "googleprovider": specs["groq"]}
    warnings = reader(config, env={"KEY": "k"}, specs=plain).warnings
    assert ["no such setting" in warning for warning in warnings] == [True, True]
    assert ["no key" in warning for warning in reader(config, specs=plain).warnings] == [True]


@pytest.mark.parametrize(("curl", "count"), [(True, 1), (False, 0)])
def test_curl_is_not_used(reader: Read, curl: bool, count: int) -> None:
    """K-14, SR-117: a warning if it is switched on."""
    config = reader(
        {"providers": {"mine": {"type": "GoogleProvider", "api_key": "k", "curl": curl}}}
    )
    assert len(config.warnings) == count


def test_settings_of_a_plugins_adapter(block: Block) -> None:
    """SR-113: they are decoded like any other member, and may be secrets."""
    members = {"type": "cloud", "region": "north", "secret_key": "${CLOUD}", "zones": {"a": 1}}
    settings = block(members, env={"CLOUD": "c"}, strict=True).settings
    assert (settings.region, settings.secret_key, settings.zones) == (
        "north",
        Secret("c"),
        {"a": 1},
    )


def test_a_secret_setting_that_is_not_set_disables_the_provider(block: Block) -> None:
    """K-02."""
    assert (
        block({"type": "cloud", "region": "north", "secret_key": "$CLOUD"}).disabled
        == "no key: set CLOUD"
    )


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {},
            r"providers\.mine: `region` is missing: 'cloud' needs it \(add \"region\" to the block\)",
        ),
        ({"region": 1}, r"providers\.mine\.region: Expected `str`, got `int`"),
        (
            {"region": "n", "zones": {"a": "b"}},
            r"providers\.mine\.zones\.a: Expected `int`, got `str`",
        ),
        ({"region": "n", "secret_key": 5}, r"providers\.mine\.secret_key: Expected `str`"),
    ],
)
def test_wrong_settings_of_an_adapter_disable_their_provider_alone(
    reader: Read, members: dict[str, Any], message: str
) -> None:
    """SR-113: with file, line and member, once; they are an error if the file is read strictly."""
    config = {"providers": {"mine": {"type": "cloud", **members}, "other": SERVER}}
    found = reader(config)
    mine, other = found.providers
    assert re.search(rf"^llms\.json:\d+: {message}", mine.disabled or "")
    assert (mine.misconfigured, other.disabled) == (True, None)
    assert found.warnings == (mine.disabled,)
    with pytest.raises(ConfigError, match=message):
        reader(config, strict=True)


def test_wrong_settings_of_a_disabled_provider_are_nobodys_concern(
    block: Block, reader: Read
) -> None:
    provider = block({"type": "cloud", "enabled": False})
    assert (provider.disabled, provider.misconfigured) == ("disabled in llms.json", False)
    assert reader({"providers": {"mine": {"type": "cloud", "enabled": False}}}).warnings == ()


def test_settings_that_msgspec_cannot_decode_disable_their_provider_alone(reader: Read) -> None:
    """SR-113: the plugin has a fault, not the file."""
    config = reader({"providers": {"mine": {"type": "broken", "where": 1}, "other": SERVER}})
    broken, other = config.providers
    assert "BrokenSettings has a member whose type msgspec cannot decode: name 'Nowhere' is" in (
        broken.disabled or ""
    )
    assert (broken.misconfigured, other.disabled) == (True, None)
    assert len(config.warnings) == 1


def test_settings_of_another_adapter_are_unknown(reader: Read) -> None:
    """K-24: similar names are looked for among the adapter's settings, too."""
    assert (
        "unknown member"
        in reader({"providers": {"mine": {**SERVER, "region": "north"}}}).warnings[0]
    )
    warning = reader(
        {"providers": {"mine": {"type": "cloud", "region": "n", "zoness": {}}}}
    ).warnings[0]
    assert "did you mean 'zones'?" in warning


@pytest.mark.parametrize(
    "members",
    [
        {"check": {"messages": [], "max_completion_tokens": 512, "reasoning": {"max_tokens": 128}}},
        {"name": "Our Groq", "doc": "https://example.org"},
    ],
)
def test_members_for_people_and_for_checks_are_accepted(
    reader: Read, members: dict[str, Any]
) -> None:
    """K-09, L-12, L-18: without a warning, although nothing uses them."""
    config = reader({"version": 3, "providers": {"groq": {**members, "api_key": "k"}}}, strict=True)
    assert (config.warnings, config.notes) == ((), ())


def test_a_check_has_to_be_an_object(block: Block) -> None:
    """K-09."""
    with pytest.raises(
        ConfigError, match=r"providers\.mine\.check: Expected `object \| null`, got `bool`"
    ):
        block({**SERVER, "check": True})


@pytest.mark.parametrize(("given", "retries"), [({}, 0), ({"retries": 2}, 2)])
def test_retries_at_one_provider(block: Block, given: dict[str, int], retries: int) -> None:
    """SR-072: none by default."""
    assert block({**SERVER, **given}).retries == retries
    with pytest.raises(ConfigError, match=r"providers\.mine\.retries"):
        block({**SERVER, "retries": -1})
