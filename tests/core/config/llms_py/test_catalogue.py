"""llms.py's catalogue of providers and models, beside a v3 file or in llms.py's folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from llms_core.config.llms_json import load
from llms_core.config.model import LlmsJson
from llms_core.errors import ConfigError
from llms_core.provider import ProviderSpec
from llms_core.secret import Secret

Read = Callable[..., LlmsJson]
Specs = Mapping[str, ProviderSpec]

FILE = {"version": 3, "providers": {"groq": {"enabled": True}, "small-cloud": {"enabled": True}}}


def test_an_empty_block_is_completed_from_the_catalogue(
    samples: Path, reader: Read, all_keys: Mapping[str, str]
) -> None:
    """L-19, L-11, L-12: models, prices, URL and key; models that only write images are left out."""
    config = reader(FILE, env=all_keys, catalogue=[samples / "v3"], strict=True)
    groq, small = config.providers
    assert (groq.spec.name, groq.discover) == ("groq", False)
    assert groq.models[0].names == ("moonshotai/kimi-k2-instruct", "Kimi K2", "kimi-k2-instruct")
    assert (small.spec.name, small.settings.base_url) == (
        "openai-compatible",
        "https://api.example.net/inference",
    )
    assert [model.upstream for model in small.models] == ["tiny", "extra"]
    assert small.settings.api_key is not None


def test_a_provider_of_the_catalogue_without_its_key_is_disabled(
    samples: Path, reader: Read
) -> None:
    """L-11, K-02."""
    small = reader(FILE, catalogue=[samples / "v3"]).providers[1]
    assert small.disabled == "no key: set SMALL_CLOUD_API_KEY"


def test_without_a_catalogue_only_the_specs_are_known(
    reader: Read, all_keys: Mapping[str, str]
) -> None:
    """L-19: a known provider is asked for its models; one that only the catalogue has is left out."""
    groq, small = reader(FILE, env=all_keys).providers
    assert (groq.settings.base_url, groq.discover, groq.disabled) == (
        "https://api.groq.com/openai/v1",
        True,
        None,
    )
    assert small.disabled


def test_a_block_takes_precedence_over_the_catalogue(samples: Path, reader: Read) -> None:
    """L-19: its models replace the catalogue's even if there are none; so do its URL and its key."""
    block = {"api": "http://localhost:1/v1", "models": {}}
    provider = reader(
        {"version": 3, "providers": {"small-cloud": block}},
        catalogue=[samples / "v3"],
        env={"SMALL_CLOUD_API_KEY": "k"},
    ).providers[0]
    assert (provider.settings.base_url, provider.models, provider.discover) == (
        "http://localhost:1/v1",
        (),
        True,
    )
    assert provider.settings.api_key is None, "the key is not for another host"


def test_map_models_applies_to_models_of_the_catalogue(samples: Path, reader: Read) -> None:
    """L-14, L-19."""
    block = {"map_models": {"kimi": "moonshotai/kimi-k2-instruct"}, "api_key": "k"}
    [model] = (
        reader({"version": 3, "providers": {"groq": block}}, catalogue=[samples / "v3"])
        .providers[0]
        .models
    )
    assert model.names[0] == "kimi"
    assert model.price is not None
    assert model.price.cache_read == 0.5


def test_the_catalogue_is_beside_the_file_or_in_llms_home(
    samples: Path, specs: Specs, all_keys: Mapping[str, str], tmp_path: Path
) -> None:
    """L-19, L-21: the first folder that contains one is used."""
    home = tmp_path / "home"
    here = tmp_path / "here"
    shutil.copytree(samples / "v3", home)
    here.mkdir()
    (here / "llms.json").write_text(json.dumps(FILE))
    env = {**all_keys, "LLMS_HOME": str(home)}
    assert len(load(here / "llms.json", specs, env=env).providers[1].models) == 2
    (here / "providers.json").write_text(
        '{"small-cloud": {"api": "https://x.example/v1", "models": {"one": {}}}}'
    )
    assert len(load(here / "llms.json", specs, env=env).providers[1].models) == 1


def test_an_adapter_of_the_catalogue_at_another_host(reader: Read, tmp_path: Path) -> None:
    """L-08, L-19, SR-005: its requests and its key go to the host that the catalogue names."""
    entry = {
        "npm": "@ai-sdk/groq",
        "api": "https://api.example.net/v1",
        "env": ["OTHER_KEY"],
        "models": {"m": {}},
    }
    (tmp_path / "providers.json").write_text(json.dumps({"other": entry}))
    env = {"GROQ_API_KEY": "secret-groq", "OTHER_KEY": "secret-other"}
    config = {"version": 3, "providers": {"other": {}}}
    provider = reader(config, catalogue=[tmp_path], env=env, strict=True).providers[0]
    assert (provider.spec.name, provider.settings.base_url) == (
        "groq",
        "https://api.example.net/v1",
    )
    assert provider.settings.api_key == Secret("secret-other")


def test_prices_of_the_catalogue_are_not_the_users_to_fix(reader: Read, tmp_path: Path) -> None:
    """L-19, K-07: there is no warning about a price that seems to be in the wrong unit."""
    cost = {"input": 0.00000001, "output": 1}
    (tmp_path / "providers.json").write_text(
        json.dumps({"groq": {"models": {"m": {"cost": cost}}}})
    )
    config = reader({"version": 3, "providers": {"groq": {"api_key": "k"}}}, catalogue=[tmp_path])
    assert len(config.providers[0].models) == 1
    assert config.warnings == ()


def test_an_error_in_the_catalogue_is_reported_at_the_block(reader: Read, tmp_path: Path) -> None:
    """L-09, L-19: the member is not in the user's file."""
    (tmp_path / "providers.json").write_text('{"other": {"api": "ftp://example.net"}}')
    with pytest.raises(ConfigError, match="not an http") as caught:
        reader({"version": 3, "providers": {"other": {}}}, catalogue=[tmp_path])
    assert (caught.value.field, caught.value.line) == ("providers.other", 4)


def test_v2_files_do_not_use_the_catalogue(samples: Path, reader: Read) -> None:
    """L-19: their blocks have all that llms.py 2 needs."""
    config = reader({"providers": {"groq": {"api_key": "k"}}}, catalogue=[samples / "v3"])
    assert config.providers[0].models == ()


@pytest.mark.parametrize(
    "text", ["", "[]", '{"groq": ', '{"groq": 5}', '{"groq": {"models": {"a": {"cost": "x"}}}}']
)
def test_an_unreadable_catalogue_is_a_warning(reader: Read, tmp_path: Path, text: str) -> None:
    """L-19: it is llms.py's file, and must not stop the gateway."""
    (tmp_path / "providers.json").write_text(text)
    config = reader({"version": 3, "providers": {"groq": {"api_key": "k"}}}, catalogue=[tmp_path])
    assert config.providers[0].disabled is None
    assert "providers.json" in config.warnings[0]
