"""Names and values are those of OpenTelemetry's released package of semantic conventions."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import opentelemetry.semconv
import pytest
from opentelemetry.semconv._incubating.attributes.gen_ai_attributes import (
    GenAiOperationNameValues,
    GenAiProviderNameValues,
    GenAiTokenTypeValues,
)

from llms_core.otel import conventions

OURS = {conventions.REQUEST_ID, conventions.DIALECT, conventions.COST, conventions.PROVIDER_ID}
NAMES = {
    value
    for name, value in vars(conventions).items()
    if name.isupper() and isinstance(value, str) and not name.startswith("_")
}


def registry() -> Iterator[tuple[str, str]]:
    """Every constant of the package's registries of attributes and metrics."""
    root = Path(opentelemetry.semconv.__path__[0])
    for path in [*root.rglob("attributes/*.py"), *root.rglob("metrics/*.py")]:
        parts = path.relative_to(root).with_suffix("").parts
        module = importlib.import_module(".".join(("opentelemetry.semconv", *parts)))
        for name, value in vars(module).items():
            if name.isupper() and isinstance(value, str):
                yield value, name


REGISTRY = dict(registry())

#: Our types of providers that the conventions have a name for.
PROVIDERS = (
    "openai", "anthropic", "azure", "bedrock", "cohere", "deepseek", "google", "groq", "mistral", "perplexity",
    "vertex", "vertex-anthropic", "xai",
)  # fmt: skip


@pytest.mark.parametrize("name", sorted(NAMES - OURS))
def test_a_name_is_one_of_the_conventions(name: str) -> None:
    assert name in REGISTRY


def test_our_own_names_are_not_taken() -> None:
    assert OURS.isdisjoint(REGISTRY)


@pytest.mark.parametrize("operation", ["chat", "embeddings"])
def test_the_names_of_operations(operation: str) -> None:
    assert conventions.operation_name(operation) in {
        each.value for each in GenAiOperationNameValues
    }


def test_legacy_completions_are_an_operation_of_their_own() -> None:
    assert (
        conventions.operation_name("chat", "completions")
        == GenAiOperationNameValues.TEXT_COMPLETION.value
    )


@pytest.mark.parametrize(
    "provider_type",
    [
        "openai",
        "anthropic",
        "azure",
        "bedrock",
        "cohere",
        "deepseek",
        "google",
        "groq",
        "mistral",
        "perplexity",
        "vertex",
        "vertex-anthropic",
        "xai",
    ],
)
def test_the_names_of_providers(provider_type: str) -> None:
    assert conventions.provider_name(provider_type) in {
        each.value for each in GenAiProviderNameValues
    }


def test_the_types_of_tokens() -> None:
    assert {"input", "output"} == {each.value for each in GenAiTokenTypeValues}
