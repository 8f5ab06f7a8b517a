"""llms.py's catalogue of providers and models, beside a v3 file or in llms.py's folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from llms_core.config.llms_json import load
from llms_core.config.model import LlmsJson
from llms_core.provider import ProviderSpec

Read = Callable[..., LlmsJson]
Specs = Mapping[str, ProviderSpec]

FILE = {"version": 3, "providers": {"groq": {"enabled": True}, "small-cloud": {"enabled": True}}}


def test_an_empty_block_is_what_the_catalogue_says(samples: Path, reader: Read, all_keys: Mapping[str, str]) -> None:
    """L-19, L-11, L-12: models, prices, address, key and name; without those models that only draw."""
    config = reader(FILE, env=all_keys, catalogue=[samples / "v3"], strict=True)
    groq, small = config.providers
    assert (groq.spec.name, groq.label, groq.discover) == ("groq", "Groq Cloud", False)
    assert groq.models[0].names == ("moonshotai/kimi-k2-instruct", "Kimi K2", "kimi-k2-instruct")
    assert (small.spec.name, small.settings.base_url) == ("openai-compatible", "https://api.example.net/inference")
    assert [model.upstream for model in small.models] == ["tiny", "extra"]
    assert small.settings.api_key is not None


def test_a_provider_of_the_catalogue_without_its_key(samples: Path, reader: Read) -> None:
    """L-11, K-02."""
    small = reader(FILE, catalogue=[samples / "v3"]).providers[1]
    assert small.disabled == "no key: set SMALL_CLOUD_API_KEY"


def test_without_a_catalogue_the_presets_are_what_is_known(reader: Read, all_keys: Mapping[str, str]) -> None:
    """L-19: the provider is asked for its models; a provider that only the catalogue knows is left out."""
    groq, small = reader(FILE, env=all_keys).providers
    assert (groq.settings.base_url, groq.discover, groq.disabled) == ("https://api.groq.com/openai/v1", True, None)
    assert small.disabled


def test_what_a_block_says_wins(samples: Path, reader: Read) -> None:
    """L-19: a block's models stand for the catalogue's, even if there are none; so do its address and its key."""
    block = {"api": "http://localhost:1/v1", "models": {}}
    provider = reader(
        {"version": 3, "providers": {"small-cloud": block}},
        catalogue=[samples / "v3"],
        env={"SMALL_CLOUD_API_KEY": "k"},
    ).providers[0]
    assert (provider.settings.base_url, provider.models, provider.discover) == ("http://localhost:1/v1", (), True)
    assert provider.settings.api_key is None, "another host is not sent the key"


def test_aliases_of_models_of_the_catalogue(samples: Path, reader: Read) -> None:
    """L-14, L-19."""
    block = {"map_models": {"kimi": "moonshotai/kimi-k2-instruct"}, "api_key": "k"}
    [model] = reader({"version": 3, "providers": {"groq": block}}, catalogue=[samples / "v3"]).providers[0].models
    assert model.names[0] == "kimi"
    assert model.price is not None
    assert model.price.cache_read == 0.5


def test_where_the_catalogue_is(samples: Path, specs: Specs, all_keys: Mapping[str, str], tmp_path: Path) -> None:
    """L-19, L-21: beside the file, else in `$LLMS_HOME`."""
    home, here = tmp_path / "home", tmp_path / "here"
    shutil.copytree(samples / "v3", home)
    here.mkdir()
    (here / "llms.json").write_text(json.dumps(FILE))
    env = {**all_keys, "LLMS_HOME": str(home)}
    assert len(load(here / "llms.json", specs, env=env).providers[1].models) == 2
    (here / "providers.json").write_text('{"small-cloud": {"api": "https://x.example/v1", "models": {"one": {}}}}')
    assert len(load(here / "llms.json", specs, env=env).providers[1].models) == 1


def test_v2_files_know_no_catalogue(samples: Path, reader: Read) -> None:
    """L-19: the order and the models of a v2 file stay what they were."""
    config = reader({"providers": {"groq": {"api_key": "k"}}}, catalogue=[samples / "v3"])
    assert config.providers[0].models == ()


@pytest.mark.parametrize("text", ["", "[]", '{"groq": ', '{"groq": 5}', '{"groq": {"models": {"a": {"cost": "x"}}}}'])
def test_a_catalogue_that_cannot_be_read_is_a_warning(reader: Read, tmp_path: Path, text: str) -> None:
    """L-19: it is llms.py's file, and no reason not to start."""
    (tmp_path / "providers.json").write_text(text)
    config = reader({"version": 3, "providers": {"groq": {"api_key": "k"}}}, catalogue=[tmp_path])
    assert config.providers[0].disabled is None
    assert "providers.json" in config.warnings[0]
