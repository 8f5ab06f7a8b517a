"""From the two files to running providers, and what is used without an llms.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from llms_core import ConfigError
from llms_core.checks import warnings
from llms_core.config.model import Provider
from llms_core.openai_compatible import OpenAICompatible
from llms_core.secret import redact
from llms_core.startup import Startup, load, read_config, rebuild


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory that is also the home."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def started(home: Path, **env: str) -> Startup:
    return load(None, None, env={"HOME": str(home), "LLMS_EMBEDDED": "off", **env})


def providers(startup: Startup) -> Mapping[str, Provider]:
    return {item.id: item.provider for item in startup.configured}


#: Models that run on this machine, if their extras are installed.
EMBEDDED = ("local", "local-embeddings")


def enabled(startup: Startup) -> list[str]:
    return [
        item.id for item in startup.configured if item.disabled is None and item.id not in EMBEDDED
    ]


def write(path: Path, *names: str, **more: object) -> None:
    block = {"type": "OpenAiProvider", "base_url": "http://localhost:1", "api_key": "secret-1"}
    blocks = dict.fromkeys(names, block)
    path.write_text(json.dumps({"providers": blocks, **more}))


def test_without_a_file_the_shipped_order_is_used(home: Path) -> None:
    """SR-077: free tiers first; a missing key silently disables its provider."""
    startup = started(home, OPENROUTER_API_KEY="secret-or", GROQ_API_KEY="secret-groq")
    assert enabled(startup) == ["groq", "openrouter_free", "openrouter"]
    assert list(providers(startup))[:4] == ["groq", "google_free", "codestral", "openrouter_free"]
    assert warnings(startup) == ()


def test_without_a_file_every_other_provider_with_a_key_is_used(home: Path) -> None:
    """After the shipped ones, with the models that it lists."""
    startup = started(home, CEREBRAS_API_KEY="secret-c", GROQ_API_KEY="secret-g")
    assert enabled(startup) == ["groq", "cerebras"]
    assert providers(startup)["cerebras"].discover
    assert not providers(startup)["groq"].discover
    assert redact("secret-c") == "***"


def test_a_provider_whose_key_is_already_used_is_not_added_again(home: Path) -> None:
    """Z.AI's coding plan and Gemini's other address have the same keys as the shipped blocks."""
    startup = started(home, ZAI_API_KEY="secret-z", GOOGLE_API_KEY="secret-g")
    assert enabled(startup) == ["google", "z.ai"]


def test_providers_without_their_key_are_not_enabled(home: Path) -> None:
    assert enabled(started(home)) == []


def test_a_file_is_used_as_it_is(home: Path) -> None:
    """SR-071, K-01: its order and no other providers, whichever keys are set."""
    write(home / "llms.json", "b", "a")
    startup = started(home, GROQ_API_KEY="secret-groq")
    assert [item.id for item in startup.configured] == ["b", "a"]
    assert all(isinstance(item.adapter, OpenAICompatible) for item in startup.configured)


def test_declared_types_and_one_file_plugins_are_relative_to_plugins_toml(home: Path) -> None:
    """SR-113; `[types]` and `[plugins] load`."""
    (home / "conf").mkdir()
    (home / "conf" / "mine.py").write_text(
        "from llms_core import hookimpl\nfrom llms_core.openai_compatible import OpenAICompatible\n"
        "from llms_core.provider import ProviderSpec\n@hookimpl\ndef llms_providers():\n"
        "    return [ProviderSpec(name='mine', adapter=OpenAICompatible, title='', base_url='http://localhost:1')]\n"
    )
    (home / "conf" / "plugins.toml").write_text(
        '[plugins]\nload = ["mine.py"]\n[types.acme]\nextends = "mine"\ntitle = "Acme"\n'
    )
    (home / "llms.json").write_text(
        '{"providers": {"a": {"type": "acme", "api_key": "secret-1", "models": ["m"]}}}'
    )
    startup = started(home, LLMS_PLUGINS_PATH="conf/plugins.toml")
    (item,) = startup.configured
    assert (item.provider.spec.title, item.provider.settings.base_url) == (
        "Acme",
        "http://localhost:1",
    )
    assert startup.host.origin(item.provider.spec) == "[types] of conf/plugins.toml"


def test_strict_makes_an_unknown_key_an_error(home: Path) -> None:
    """K-24."""
    write(home / "llms.json", "a", provider={})
    assert "provider" in warnings(started(home))[0]
    with pytest.raises(ConfigError, match="provider"):
        load(None, None, env={"HOME": str(home), "LLMS_EMBEDDED": "off"}, strict=True)


def test_a_reload_keeps_adapters_and_plugins(home: Path) -> None:
    """SR-092, K-25: unchanged providers keep their adapters; an invalid edit raises and changes nothing."""
    path = home / "llms.json"
    write(path, "a", "b")
    old = started(home)
    write(path, "b", "c")
    new = rebuild(old, read_config(None, old.host, env={"HOME": str(home), "LLMS_EMBEDDED": "off"}))
    assert [item.id for item in new.configured] == ["b", "c"]
    assert new.configured[0].adapter is old.configured[1].adapter
    assert new.host is old.host
    path.write_text("{")
    with pytest.raises(ConfigError, match=r"llms\.json:1"):
        read_config(None, new.host, env={"HOME": str(home), "LLMS_EMBEDDED": "off"})
