"""The table of OpenAI-compatible providers."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from llms_core.config.model import Plugins
from llms_core.plugins.discovery import load_enabled_plugins
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
    accepting = {
        "qwen",
        "openrouter",
        "huggingface",
        "zai",
        "zai-coding-plan",
        "openai-local",
        *LOCAL,
    }
    assert ("enable_thinking" in spec.drop) == (spec.name not in accepting)


#: Adapters as files of llms.py name them: version 2 by class, versions 3 and 4 by npm package.
NAMES_OF_LLMS_PY = {
    "OpenAiProvider": "openai-compatible",
    "OllamaProvider": "ollama",
    "GoogleProvider": "google",
    "GoogleOpenAiProvider": "google-openai",
    "@ai-sdk/openai-compatible": "openai-compatible",
    "llms-sdk-provider": "openai-compatible",
    "@ai-sdk/openai": "openai",
    "@ai-sdk/anthropic": "anthropic",
    "@ai-sdk/anthropic-cli": "anthropic",
    "@ai-sdk/google": "google",
    "@ai-sdk/google-vertex": "vertex",
    "@ai-sdk/amazon-bedrock": "bedrock",
    "@ai-sdk/azure": "azure",
    "@ai-sdk/cohere": "cohere",
    "@ai-sdk/groq": "groq",
    "@ai-sdk/xai": "xai",
    "@ai-sdk/mistral": "mistral",
    "@ai-sdk/cerebras": "cerebras",
    "@openrouter/ai-sdk-provider": "openrouter",
    "@fireworks/ai-sdk-provider": "fireworks",
    "codestral": "codestral",
    "ollama": "ollama",
    "lmstudio": "lmstudio",
    "openai-local": "openai-local",
}


@pytest.fixture(scope="module")
def specs() -> Mapping[str, ProviderSpec]:
    """The specs of all installed plugins, by name and alias."""
    return load_enabled_plugins(Plugins(allow=("llms-providers",))).specs


@pytest.mark.parametrize(("name", "provider"), NAMES_OF_LLMS_PY.items())
def test_adapters_of_llms_py_are_names_or_aliases(
    specs: Mapping[str, ProviderSpec], name: str, provider: str
) -> None:
    """K-03, L-08."""
    assert specs[name.lower()].name == provider
