"""The table of OpenAI-compatible providers."""

from __future__ import annotations

import pytest

from llms_core.provider import Capabilities, ProviderSpec
from llms_providers.presets import PRESETS

BY_NAME = {spec.name: spec for spec in PRESETS}


def test_names_and_aliases_are_unique() -> None:
    names = [name.lower() for spec in PRESETS for name in (spec.name, *spec.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("spec", PRESETS, ids=lambda spec: spec.name)
def test_a_preset_needs_only_a_key_in_the_environment(spec: ProviderSpec) -> None:
    """SR-113: the preset has the address and the key's variable. A server on this machine needs no key."""
    local = spec.base_url.startswith("http://localhost:")
    assert local or spec.base_url.startswith("https://")
    assert spec.base_url == spec.base_url.rstrip("/")
    assert spec.key_env or local
    assert spec.needs_key == (not local)
    assert spec.docs.startswith("https://") or local


def test_openai_has_every_capability() -> None:
    """SR-119: text, vision, audio, PDF, function calling, streaming."""
    capabilities = BY_NAME["openai"].capabilities
    assert capabilities == Capabilities()
    assert capabilities.streaming
    assert capabilities.tools
    assert capabilities.vision
    assert capabilities.audio
    assert capabilities.files
    assert capabilities.json_schema


HOSTED = (
    "groq",
    "openrouter",
    "xai",
    "mistral",
    "codestral",
    "qwen",
    "zai",
    "deepseek",
    "moonshotai",
    "together",
    "fireworks",
    "cerebras",
    "nvidia",
    "huggingface",
    "github-models",
    "perplexity",
)
LOCAL = ("lmstudio", "vllm", "llamacpp")


@pytest.mark.parametrize("name", [*HOSTED, *LOCAL])
def test_common_providers_are_included(name: str) -> None:
    assert name in BY_NAME


@pytest.mark.parametrize("spec", PRESETS, ids=lambda spec: spec.name)
def test_enable_thinking_is_only_sent_to_providers_that_accept_it(spec: ProviderSpec) -> None:
    """SR-024: it is Qwen's own parameter. Providers that reject unknown parameters would answer with an error."""
    accepting = {"qwen", "openrouter", "huggingface", "zai", "zai-coding-plan", "openai-local", *LOCAL}
    assert ("enable_thinking" in spec.drop) == (spec.name not in accepting)
