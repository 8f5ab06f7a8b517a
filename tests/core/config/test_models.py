"""The models that a block offers, and their names."""

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


def test_models_have_local_names_and_the_providers_ids(block: Block) -> None:
    """K-06, SR-007, SR-074: in v2 clients can only use the local name."""
    provider = block(
        {**SERVER, "models": {"kimi-k2": "moonshotai/kimi-k2", "gpt-oss:20b": "openai/gpt-oss-20b"}}
    )
    assert _names(provider.models) == {
        "moonshotai/kimi-k2": ("kimi-k2",),
        "openai/gpt-oss-20b": ("gpt-oss:20b",),
    }
    assert (provider.discover, provider.fold_case) == (False, False)


def test_one_model_may_have_two_names(block: Block) -> None:
    """K-06."""
    provider = block({**SERVER, "models": {"a": "x", "b": "x"}})
    assert [(model.names, model.upstream) for model in provider.models] == [
        (("a",), "x"),
        (("b",), "x"),
    ]


def test_a_list_of_names(block: Block) -> None:
    """K-06: each name is the provider's id, too."""
    assert _names(block({**SERVER, "models": ["a", "b", "a"]}).models) == {"a": ("a",), "b": ("b",)}


@pytest.mark.parametrize("models", [{}, {"models": {}}, {"models": []}, {"models": None}])
def test_a_provider_without_models_is_asked_for_them(block: Block, models: dict[str, Any]) -> None:
    """SR-113."""
    provider = block({**SERVER, **models})
    assert (provider.models, provider.discover) == ((), True)


def test_models_of_the_spec_need_not_be_listed(block: Block) -> None:
    """SR-113."""
    provider = block({"type": "demo"})
    assert _names(provider.models) == {"small-135m": ("small",)}
    assert provider.discover is False


def test_all_models(block: Block) -> None:
    """K-10, SR-118: listed models are offered in any case."""
    provider = block({"type": "OllamaProvider", "all_models": True, "models": {"phi": "phi4"}})
    assert _names(provider.models) == {"phi4": ("phi",)}
    assert provider.discover is True
    assert block({**SERVER, "all_models": False}).discover is False


def test_a_model_in_the_format_of_models_dev(block: Block) -> None:
    """L-13: id, name and price per million tokens are used; other members are accepted."""
    entry = {
        "id": "moonshotai/kimi-k2",
        "name": "Kimi K2",
        "attachment": False,
        "temperature": True,
        "interleaved": {"field": "reasoning_content"},
        "status": "beta",
        "cost": {
            "input": 1,
            "output": 3.5,
            "cache_read": 0.5,
            "tiers": [{}],
            "context_over_200k": {"input": 2},
        },
        "limit": {"context": 131072, "output": 16384},
    }
    [model] = block(
        {"models": {"kimi": entry}, "api_key": "k"}, "groq", v3=True, strict=True
    ).models
    assert model.names == ("kimi", "moonshotai/kimi-k2", "Kimi K2", "kimi-k2")
    assert model.upstream == "moonshotai/kimi-k2"
    assert (model.price.input, model.price.output, model.price.cache_read) == (1.0, 3.5, 0.5)


def test_a_limit_of_0_is_accepted(block: Block) -> None:
    """L-13: models.dev has 0 for an unknown limit."""
    members = {"models": {"a": {"limit": {"context": 0, "output": 0}}}, "api_key": "k"}
    [model] = block(members, "groq", v3=True, strict=True).models
    assert (model.upstream, model.price) == ("a", None)


def test_a_v3_model_may_be_a_string(block: Block) -> None:
    """L-13: llms.py's documentation has it, although llms.py cannot read it."""
    [model] = block({"models": {"custom-model-1": "model-id-1"}}, "groq", v3=True).models
    assert (model.names, model.upstream) == (("custom-model-1", "model-id-1"), "model-id-1")


def test_v3_models_have_several_names(block: Block) -> None:
    """L-20: local name, id, display name and last part of the id; names that differ only in case are one."""
    models = {"Org/Model-A": {"name": "model-a"}, "b": {"name": "B!"}}
    assert _names(block({"models": models}, "groq", v3=True).models) == {
        "Org/Model-A": ("Org/Model-A", "model-a"),
        "b": ("b", "B!"),
    }


def test_lenient_names_in_our_own_format(block: Block) -> None:
    """L-20: what the upgrade of a v3 file sets may be written in any file, and may be switched off in a v3 file."""
    members = {**SERVER, "models": {"kimi": "org/Kimi-K2"}}
    lenient = block({**members, "lenient_names": True}, strict=True)
    assert (_names(lenient.models), lenient.fold_case) == (
        {"org/Kimi-K2": ("kimi", "org/Kimi-K2", "Kimi-K2")},
        True,
    )
    exact = block({**members, "lenient_names": False}, v3=True, strict=True)
    assert (_names(exact.models), exact.fold_case) == ({"org/Kimi-K2": ("kimi",)}, False)


def test_map_models_restricts_and_renames(block: Block) -> None:
    """L-14."""
    models = {"org/a": {"name": "A one", "cost": {"input": 1, "output": 2}}, "b": {}}
    provider = block(
        {"models": models, "map_models": {"fast": "org/a", "new": "c"}}, "groq", v3=True
    )
    assert _names(provider.models) == {"org/a": ("fast", "org/a", "A one", "a"), "c": ("new", "c")}
    assert provider.models[0].price.output == 2.0
    assert provider.discover is False


def test_include_and_exclude_models(block: Block) -> None:
    """L-15: searched anywhere in the id; kept for discovered models."""
    models: dict[str, Any] = {name: {} for name in ("gpt-4o", "gpt-4o-mini", "o3-mini", "tts")}
    members = {"models": models, "include_models": "gpt|mini", "exclude_models": "^o3"}
    provider = block(members, "groq", v3=True)
    assert [model.upstream for model in provider.models] == ["gpt-4o", "gpt-4o-mini"]
    assert (provider.include, provider.exclude) == ("gpt|mini", "^o3")


@pytest.mark.parametrize("member", ["include_models", "exclude_models"])
@pytest.mark.parametrize("pattern", ["(", "*a", "a{99999999999}"])
def test_an_invalid_regular_expression_is_rejected(block: Block, member: str, pattern: str) -> None:
    """L-15."""
    with pytest.raises(ConfigError, match=rf"providers\.groq\.{member}: not a regular expression"):
        block({member: pattern}, "groq", v3=True)


@pytest.mark.parametrize("models", [{"": "a"}, {"a": ""}, [""]])
def test_an_empty_name_of_a_model_is_rejected(block: Block, models: object) -> None:
    """K-06."""
    with pytest.raises(ConfigError, match=r"providers\.mine\.models: the name of a model is empty"):
        block({**SERVER, "models": models})


def test_names_for_clients_may_have_a_prefix(block: Block) -> None:
    """Discovered models get it, too; ids and prices stay those of the provider."""
    provider = block(
        {
            **SERVER,
            "models": {"a": "up-a"},
            "model_prefix": "mine/",
            "pricing": {"a": {"input": 1, "output": 2}},
        }
    )
    [model] = provider.models
    assert (model.names, model.upstream, model.price.output) == (("mine/a",), "up-a", 2)
    assert provider.prefix == "mine/"
