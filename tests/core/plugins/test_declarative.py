"""`[types.NAME]` of plugins.toml: provider types without code."""

from __future__ import annotations

import tomllib

import pytest

from llms_core.contracts.request import ChatCall, decode
from llms_core.errors import ConfigError
from llms_core.openai_compatible import OpenAICompatible
from llms_core.plugins.declarative import declared
from llms_core.provider import Capabilities, ProviderSettings, ProviderSpec, RequestRules
from llms_core.secret import Secret

ACME = ProviderSpec(
    name="acme",
    adapter=OpenAICompatible,
    title="Acme",
    base_url="https://api.acme.example/v1",
    key_env=("ACME_KEY",),
    rename={"seed": "random_seed"},
    drop=frozenset({"user"}),
    rules=RequestRules(tool_parameters=True),
    capabilities=Capabilities(audio=False),
    aliases=("roadrunner",),
)


def types(text: str) -> dict[str, ProviderSpec]:
    return declared(tomllib.loads(text)["types"], {"acme": ACME}, path="plugins.toml")


def test_a_base_url_is_enough() -> None:
    """SR-113: no code and no package; a type that names no key variable needs no key."""
    spec = types('[types.mine]\nbase_url = "http://localhost:1234/v1/"')["mine"]
    assert spec.name == "mine"
    assert spec.title == "mine"
    assert spec.base_url == "http://localhost:1234/v1"
    assert not spec.needs_key


def test_every_key() -> None:
    found = types("""
        [types.Mine]
        extends = "acme"
        title = "My Acme"
        docs = "https://wiki.example"
        base_url = "https://acme.example/v2"
        path = "/talk"
        key_env = ["MINE", "YOURS"]
        needs_key = false
        rename = { max_completion_tokens = "max_tokens" }
        drop = ["store"]
        headers = { X-Team = "blue" }
        capabilities = { vision = false }
        models = ["small"]
        aliases = ["Ours"]
        rules = { members = ["name", "assistant.prefix"], developer = true, tool_call_id = "[a-z0-9]{12}" }
    """)
    spec = found["mine"]
    assert found["ours"] is spec
    assert spec.title == "My Acme"
    assert spec.docs == "https://wiki.example"
    assert spec.base_url == "https://acme.example/v2"
    assert spec.path == "/talk"
    assert spec.key_env == ("MINE", "YOURS")
    assert not spec.needs_key
    assert spec.rename == {"seed": "random_seed", "max_completion_tokens": "max_tokens"}
    assert spec.drop == {"user", "store"}
    assert spec.capabilities == Capabilities(audio=False, vision=False)
    assert spec.models == {"small": "small"}
    assert spec.aliases == ("Ours",)
    assert spec.rules == RequestRules(
        members=frozenset({"name", "assistant.prefix"}),
        developer=True,
        tool_call_id="[a-z0-9]{12}",
        tool_parameters=True,
    )


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (
            "developr = true",
            r"types\.mine\.rules: unknown key 'developr' \(did you mean 'developer'\?",
        ),
        ('developer = "yes"', r"types\.mine\.rules: Expected `bool`, got `str`"),
        ('tool_call_id = "["', r"types\.mine\.rules: unterminated character set"),
        (
            'tool_call_id = "call_.+"',
            r"types\.mine\.rules\.tool_call_id: must match hexadecimal digits",
        ),
    ],
)
def test_invalid_rules_are_rejected(rules: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        types(f'[types.mine]\nbase_url = "http://x/v1"\n[types.mine.rules]\n{rules}')


def test_missing_keys_are_inherited_from_the_extended_type() -> None:
    """Except the aliases: a name belongs to one type."""
    spec = types('[types.mine]\nextends = "Acme"\nmodels = { a = "b" }')["mine"]
    assert spec.base_url == ACME.base_url
    assert spec.key_env == ACME.key_env
    assert spec.needs_key
    assert spec.aliases == ()
    assert spec.models == {"a": "b"}


def test_a_key_variable_makes_a_key_required() -> None:
    assert types('[types.mine]\nbase_url = "https://a.example"\nkey_env = "MINE"')["mine"].needs_key


def test_a_type_extends_a_declared_type() -> None:
    found = types(
        '[types.a]\nbase_url = "https://a.example"\n[types.b]\nextends = "a"\nheaders = { a = "b" }'
    )
    assert found["b"].base_url == "https://a.example"


def test_headers_are_sent_unless_a_block_overrides_them() -> None:
    spec = types(
        '[types.mine]\nbase_url = "https://a.example"\nheaders = { X-Team = "blue", X-Site = "1" }'
    )["mine"]
    adapter = spec.adapter(
        spec, ProviderSettings(id="mine", api_key=Secret("key"), headers={"x-team": "red"})
    )
    body = decode(b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}]}')
    call = ChatCall(body=body, upstream_model="m", client_model="m", id="1", created=1)
    sent = adapter.request(call)
    assert sent.url == "https://a.example/chat/completions"
    assert {name: sent.headers[name] for name in ("x-team", "x-site", "authorization")} == {
        "x-team": "red",
        "x-site": "1",
        "authorization": "Bearer key",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'base_ur = "x"',
            "plugins.toml: types.mine: unknown key 'base_ur' (did you mean 'base_url'?)",
        ),
        ("zzz = 1", "plugins.toml: types.mine: unknown key 'zzz' (known keys: aliases, base_url, "),
        (
            'extends = "acne"',
            "types.mine.extends: unknown provider type 'acne' (did you mean 'acme'?)",
        ),
        ('base_url = "api.example"', "plugins.toml: types.mine.base_url: Expected `str` matching"),
        (
            "key_env = 3",
            "plugins.toml: types.mine.key_env: Expected `str | array | null`, got `int`",
        ),
        (
            "capabilities.tool = true",
            "types.mine.capabilities: unknown key 'tool' (did you mean 'tools'?)",
        ),
        ('capabilities.tools = "yes"', "types.mine.capabilities.tools: Expected `bool`, got `str`"),
    ],
)
def test_errors_name_the_file_and_the_key(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        types(f"[types.mine]\n{text}")
    assert message in str(caught.value)
