"""Which models a block offers, by which names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from llms_core.config.model import Model
from llms_core.errors import ConfigError

Block = Callable[..., Any]

SERVER = {"type": "OpenAiProvider", "base_url": "http://localhost:8001"}


def _names(models: Sequence[Model]) -> dict[str, tuple[str, ...]]:
    return {model.upstream: model.names for model in models}


def test_local_names_and_the_providers_ids(block: Block) -> None:
    """K-06, SR-007, SR-074: in v2 a model goes by its local name alone."""
    provider = block({**SERVER, "models": {"kimi-k2": "moonshotai/kimi-k2", "gpt-oss:20b": "openai/gpt-oss-20b"}})
    assert _names(provider.models) == {"moonshotai/kimi-k2": ("kimi-k2",), "openai/gpt-oss-20b": ("gpt-oss:20b",)}
    assert (provider.discover, provider.fold_case) == (False, False)


def test_two_names_of_one_model(block: Block) -> None:
    """K-06."""
    provider = block({**SERVER, "models": {"a": "x", "b": "x"}})
    assert [(model.names, model.upstream) for model in provider.models] == [(("a",), "x"), (("b",), "x")]


def test_a_list_of_names(block: Block) -> None:
    """K-06: each is the provider's id, too."""
    assert _names(block({**SERVER, "models": ["a", "b", "a"]}).models) == {"a": ("a",), "b": ("b",)}


@pytest.mark.parametrize("models", [{}, {"models": {}}, {"models": []}, {"models": None}])
def test_a_block_that_names_no_models(block: Block, models: dict[str, Any]) -> None:
    """SR-113: the provider is asked."""
    provider = block({**SERVER, **models})
    assert (provider.models, provider.discover) == ((), True)


def test_models_that_an_adapter_is_known_to_have(block: Block) -> None:
    """SR-113: they need not be named."""
    provider = block({"type": "demo"})
    assert _names(provider.models) == {"small-135m": ("small",)}
    assert provider.discover is False


def test_all_models(block: Block) -> None:
    """K-10, SR-118: those that are named stay."""
    provider = block({"type": "OllamaProvider", "all_models": True, "models": {"phi": "phi4"}})
    assert _names(provider.models) == {"phi4": ("phi",)}
    assert provider.discover is True
    assert block({**SERVER, "all_models": False}).discover is False


def test_a_model_of_models_dev(block: Block) -> None:
    """L-13: id, name, price per million tokens, limits; what else there is does no harm."""
    entry = {
        "id": "moonshotai/kimi-k2",
        "name": "Kimi K2",
        "attachment": False,
        "temperature": True,
        "interleaved": {"field": "reasoning_content"},
        "status": "beta",
        "cost": {"input": 1, "output": 3.5, "cache_read": 0.5, "tiers": [{}], "context_over_200k": {"input": 2}},
        "limit": {"context": 131072, "output": 16384},
    }
    [model] = block({"models": {"kimi": entry}, "api_key": "k"}, "groq", v3=True, strict=True).models
    assert model.names == ("kimi", "moonshotai/kimi-k2", "Kimi K2", "kimi-k2")
    assert (model.upstream, model.context, model.output) == ("moonshotai/kimi-k2", 131072, 16384)
    assert (model.price.input, model.price.output, model.price.cache_read) == (1.0, 3.5, 0.5)


def test_a_limit_of_0_is_not_known(block: Block) -> None:
    """L-13: models.dev says 0 where it does not know."""
    [model] = block({"models": {"a": {"limit": {"context": 0, "output": 0}}}}, "groq", v3=True).models
    assert (model.context, model.output, model.price) == (None, None, None)


def test_a_string_is_a_v2_entry(block: Block) -> None:
    """L-13: as the documentation has it, and llms.py cannot read it."""
    [model] = block({"models": {"custom-model-1": "model-id-1"}}, "groq", v3=True).models
    assert (model.names, model.upstream) == (("custom-model-1", "model-id-1"), "model-id-1")


def test_names_of_v3(block: Block) -> None:
    """L-20: alias, id, name, last part of the id; one of those that differ in case only."""
    models = {"Org/Model-A": {"name": "model-a"}, "b": {"name": "B!"}}
    assert _names(block({"models": models}, "groq", v3=True).models) == {
        "Org/Model-A": ("Org/Model-A", "model-a"),
        "b": ("b", "B!"),
    }


def test_aliases_restrict_and_rename(block: Block) -> None:
    """L-14."""
    models = {"org/a": {"name": "A one", "cost": {"input": 1, "output": 2}}, "b": {}}
    provider = block({"models": models, "map_models": {"fast": "org/a", "new": "c"}}, "groq", v3=True)
    assert _names(provider.models) == {"org/a": ("fast", "org/a", "A one", "a"), "c": ("new", "c")}
    assert provider.models[0].price.output == 2.0
    assert provider.discover is False


def test_patterns_of_ids(block: Block) -> None:
    """L-15: searched anywhere in the id; kept for what is discovered."""
    models: dict[str, Any] = {name: {} for name in ("gpt-4o", "gpt-4o-mini", "o3-mini", "tts")}
    members = {"models": models, "include_models": "gpt|mini", "exclude_models": "^o3"}
    provider = block(members, "groq", v3=True)
    assert [model.upstream for model in provider.models] == ["gpt-4o", "gpt-4o-mini"]
    assert (provider.include, provider.exclude) == ("gpt|mini", "^o3")


@pytest.mark.parametrize("member", ["include_models", "exclude_models"])
@pytest.mark.parametrize("pattern", ["(", "*a", "a{99999999999}"])
def test_a_pattern_that_is_none(block: Block, member: str, pattern: str) -> None:
    """L-15."""
    with pytest.raises(ConfigError, match=rf"providers\.groq\.{member}: not a regular expression"):
        block({member: pattern}, "groq", v3=True)


@pytest.mark.parametrize("models", [{"": "a"}, {"a": ""}, [""]])
def test_a_model_has_a_name(block: Block, models: object) -> None:
    """K-06."""
    with pytest.raises(ConfigError, match=r"providers\.mine\.models: the name of a model is empty"):
        block({**SERVER, "models": models})
