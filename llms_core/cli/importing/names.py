"""LiteLLM's names: of providers, which their specs know, and of strategies."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from llms_core.config.reader import Specs
from llms_core.provider import ProviderSpec

#: Ours by LiteLLM's names of strategies, and how they differ.
STRATEGIES = {
    "simple-shuffle": ("weighted", ""),
    "least-busy": ("least_busy", ""),
    "latency-based-routing": ("fastest", ""),
    "usage-based-routing": (
        "least_busy",
        "it counts running requests, and not the tokens of a minute",
    ),
    "usage-based-routing-v2": (
        "least_busy",
        "it counts running requests, and not the tokens of a minute",
    ),
    "cost-based-routing": (
        "ordered",
        "the providers are tried in the order of llms.json, and not by price",
    ),
}


def find(specs: Specs, model: str, provider: object = None) -> tuple[ProviderSpec | None, str, str]:
    """Return the spec for LiteLLM's name of a model, such as `groq/llama-3`, or for some providers `gpt-4o` alone.

    With it come LiteLLM's name of the provider, which is empty if there is none, and the provider's id of the model.
    """
    if provider:
        upstream = model.removeprefix(f"{provider}/")
        return _named(specs, str(provider), upstream), str(provider), upstream
    for spec in _distinct(specs):
        if any(fnmatchcase(model, pattern) for pattern in spec.litellm.models):
            return spec, spec.name, model
    name, slash, rest = model.partition("/")
    if not slash:
        return None, "", model
    return _named(specs, name, rest), name, rest


def _named(specs: Specs, provider: str, model: str) -> ProviderSpec | None:
    """Return the spec for LiteLLM's name of a provider; a name that is only meant for such models is preferred."""
    by_name = None
    for spec in _distinct(specs):
        for known in spec.litellm.names:
            name, slash, pattern = known.partition("/")
            if name != provider:
                continue
            if slash and fnmatchcase(model, pattern):
                return spec
            if not slash:
                by_name = by_name or spec
    return by_name or specs.get(provider.lower())


def _distinct(specs: Specs) -> Iterator[ProviderSpec]:
    # They are there once for each of their aliases.
    yield from dict.fromkeys(specs.values())
