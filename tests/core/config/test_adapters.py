"""Which adapter a block means, and where its API is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from llms_core.config.model import LlmsJson
from llms_core.errors import ConfigError
from llms_core.provider import ProviderSpec

Read = Callable[..., LlmsJson]
Block = Callable[..., Any]

HERE = "http://localhost:8001"


@pytest.mark.parametrize(
    ("members", "spec", "base_url"),
    [
        ({"type": "OpenAiProvider", "base_url": HERE}, "openai-compatible", f"{HERE}/v1"),
        ({"type": "OllamaProvider", "base_url": "http://gpu:11434"}, "ollama", "http://gpu:11434"),
        ({"type": "GoogleProvider", "api_key": "k"}, "google", "https://generativelanguage.googleapis.com/v1beta"),
        ({"type": "openai", "base_url": HERE}, "openai-compatible", f"{HERE}/v1"),
        ({"type": "openai-compatible", "base_url": HERE}, "openai-compatible", f"{HERE}/v1"),
        ({"type": "openai"}, "openai", "https://api.openai.com/v1"),
        ({"type": "ollama"}, "ollama", "http://localhost:11434"),
        ({"type": "google"}, "google", "https://generativelanguage.googleapis.com/v1beta"),
        ({"type": "Groq"}, "groq", "https://api.groq.com/openai/v1"),
        ({"type": "groq", "base_url": HERE}, "groq", f"{HERE}/v1"),
        ({"type": "z.ai"}, "zai", "https://api.z.ai/api/paas/v4"),
        ({"type": "demo"}, "demo", ""),
    ],
)
def test_types(block: Block, members: dict[str, Any], spec: str, base_url: str) -> None:
    """K-03, SR-113: llms.py's types, the short names of its own tests, and any registered provider's name."""
    provider = block(members)
    assert (provider.spec.name, provider.settings.base_url) == (spec, base_url)


def test_a_block_without_a_type_is_the_provider_of_its_name(block: Block) -> None:
    """K-03."""
    provider = block({"api_key": "k"}, "Groq")
    assert (provider.spec.name, provider.settings.base_url) == ("groq", "https://api.groq.com/openai/v1")


def test_google_by_its_openai_compatible_endpoint(block: Block, specs: Mapping[str, ProviderSpec]) -> None:
    """SR-115: through an adapter of its own where there is one."""
    members = {"type": "GoogleOpenAiProvider", "api_key": "k"}
    url = "https://generativelanguage.googleapis.com/v1beta"
    assert block(members).spec.name == "google"
    assert block(members).settings.base_url == url
    own = {**specs, "google-openai": specs["groq"]}
    assert block(members, specs=own).spec is specs["groq"]


@pytest.mark.parametrize("kind", ["OpenAIProvidr", "grok"])
def test_an_unknown_type_is_an_error_that_says_what_there_is(reader: Read, kind: str) -> None:
    """K-03."""
    with pytest.raises(ConfigError) as caught:
        reader({"providers": {"mine": {"type": kind, "base_url": HERE}}})
    text = str(caught.value)
    assert text.startswith(f"llms.json:4: providers.mine.type: unknown type '{kind}' of provider 'mine' (did you mean")
    for name in ("OpenAiProvider", "OllamaProvider", "GoogleProvider", "GoogleOpenAiProvider", "groq", "qwen"):
        assert name in text


def test_a_type_whose_plugin_is_gone_does_no_harm_while_disabled(block: Block) -> None:
    """K-02, K-03."""
    assert block({"type": "gone", "enabled": False}).disabled == "disabled in llms.json"


def test_a_type_is_needed_where_the_name_says_nothing(reader: Read) -> None:
    """K-03."""
    with pytest.raises(ConfigError, match=r"providers\.groqq: `type` is missing.*did you mean 'groq'\?"):
        reader({"providers": {"groqq": {"base_url": HERE}}})


@pytest.mark.parametrize("id", ["groq", "z.ai", "Qwen", "alibaba"])
def test_an_openai_compatible_block_has_the_ways_of_the_provider_of_its_name(
    block: Block, specs: Mapping[str, ProviderSpec], id: str
) -> None:
    """SR-113, SR-114: what a provider renames and refuses is known by its id; the block's URL counts."""
    provider = block({"type": "OpenAiProvider", "base_url": HERE, "api_key": "k"}, id)
    assert provider.spec is specs[id.lower()]
    assert provider.settings.base_url == f"{HERE}/v1"


@pytest.mark.parametrize("id", ["google", "ollama", "cloud"])
def test_an_openai_compatible_block_never_has_another_kind_of_adapter(block: Block, id: str) -> None:
    """K-03: not even by its id."""
    assert block({"type": "OpenAiProvider", "base_url": HERE}, id).spec.name == "openai-compatible"


@pytest.mark.parametrize(
    ("base_url", "full"),
    [
        ("https://api.example.com", "https://api.example.com/v1"),
        (" https://api.example.com/ ", "https://api.example.com/v1"),
        ("https://api.example.com/openai//", "https://api.example.com/openai/v1"),
        ("https://api.example.com/v1/", "https://api.example.com/v1"),
        ("https://api.example.com/api/paas/v4", "https://api.example.com/api/paas/v4"),
        ("https://api.example.com/v12", "https://api.example.com/v12"),
        ("https://api.example.com/v1beta", "https://api.example.com/v1beta/v1"),
        ("https://api.example.com/v1/openai", "https://api.example.com/v1/openai/v1"),
        ("https://v1", "https://v1"),
        ("http://[::1]:8080", "http://[::1]:8080/v1"),
    ],
)
def test_v1_is_added_unless_a_version_ends_the_url(block: Block, base_url: str, full: str) -> None:
    """SR-114, K-04."""
    assert block({"type": "OpenAiProvider", "base_url": base_url}).settings.base_url == full


def test_the_url_of_a_known_provider_is_right_as_it_is(block: Block) -> None:
    """SR-114: DeepSeek's own URL has no version, and its preset knows."""
    members = {"type": "OpenAiProvider", "base_url": "https://api.deepseek.com/", "api_key": "k"}
    assert block(members, "deepseek").settings.base_url == "https://api.deepseek.com"
    assert block({"type": "deepseek", "base_url": HERE}).settings.base_url == HERE


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("api.example.com", "not an http"),
        ("ftp://api.example.com", "not an http"),
        ("http://", "not an http"),
        ("http://[::1", "not an http"),
        ("http://a:port", "not an http"),
        ("http://a b", "not an http"),
        ("", "not an http"),
        ("http://a/v1?key=secret", r"no `\?`"),
        ("http://a/secret?", r"no `\?`"),
        ("http://me:secret@a", "no user and password"),
        ("http://a/v1/chat/completions", "leave out /chat/completions"),
    ],
)
@pytest.mark.parametrize("member", ["base_url", "api"])
def test_a_url_that_is_none(block: Block, url: str, message: str, member: str) -> None:
    """K-04, L-09: the URL itself is not shown; it may hold a secret."""
    with pytest.raises(ConfigError, match=message) as caught:
        block({"npm": "@ai-sdk/openai-compatible", "api": "http://a", member: url})
    assert caught.value.field == f"providers.mine.{member}"
    assert "secret" not in str(caught.value)


def test_an_openai_compatible_provider_needs_a_url(block: Block) -> None:
    """K-04."""
    with pytest.raises(ConfigError, match=r"providers\.mine: `base_url` is missing"):
        block({"type": "OpenAiProvider"})
    assert block({"type": "OpenAiProvider", "enabled": False}).disabled == "disabled in llms.json"


@pytest.mark.parametrize(
    ("npm", "spec"),
    [
        ("@ai-sdk/openai-compatible", "openai-compatible"),
        ("llms-sdk-provider", "openai-compatible"),
        ("@ai-sdk/openai", "openai"),
        ("@ai-sdk/anthropic", "anthropic"),
        ("@ai-sdk/anthropic-cli", "anthropic"),
        ("@ai-sdk/google", "google"),
        ("@ai-sdk/groq", "groq"),
        ("@ai-sdk/xai", "xai"),
        ("@ai-sdk/mistral", "mistral"),
        ("@ai-sdk/cerebras", "cerebras"),
        ("@openrouter/ai-sdk-provider", "openrouter"),
        ("@fireworks/ai-sdk-provider", "fireworks"),
        ("codestral", "codestral"),
        ("ollama", "ollama"),
        ("lmstudio", "lmstudio"),
        ("openai-local", "openai-local"),
    ],
)
def test_every_npm_name_of_llms_py_is_known(
    block: Block, specs: Mapping[str, ProviderSpec], npm: str, spec: str
) -> None:
    """L-08."""
    missing = {
        name: ProviderSpec(name=name, title=name, adapter=specs["groq"].adapter, base_url=f"https://{name}.example/v1")
        for name in ("xai", "mistral", "cerebras", "openrouter", "fireworks")
    }
    provider = block(
        {"npm": npm, "api": f"{HERE}/v1", "api_key": "k"}, v3=True, specs={**specs, **missing}, strict=True
    )
    assert (provider.spec.name, provider.settings.base_url, provider.disabled) == (spec, f"{HERE}/v1", None)


def test_an_unknown_npm_name_with_an_address_is_openai_compatible(reader: Read) -> None:
    """L-08: with a warning."""
    config = {"version": 3, "providers": {"mine": {"npm": "@ai-sdk/opnai", "api": f"{HERE}/x", "api_key": "k"}}}
    read = reader(config)
    assert (read.providers[0].spec.name, read.providers[0].disabled) == ("openai-compatible", None)
    assert "unknown npm '@ai-sdk/opnai'; taken for an OpenAI-compatible provider (did you mean" in read.warnings[0]
    with pytest.raises(ConfigError):
        reader(config, strict=True)


@pytest.mark.parametrize("members", [{"npm": "nobodys"}, {}, {"npm": "@ai-sdk/xai"}])
def test_a_v3_provider_that_nothing_is_known_of_is_left_out(reader: Read, members: dict[str, Any]) -> None:
    """L-08, L-19: llms.py's own file names providers that only its catalogue knows; a warning, and no error."""
    read = reader({"version": 3, "providers": {"unheard-of": members, "groq": {"api_key": "k"}}})
    assert read.providers[0].disabled
    assert read.providers[1].disabled is None
    assert len(read.warnings) == 1


@pytest.mark.parametrize("api", ["http://gpu:1234/v1", "http://gpu:1234", "http://gpu:1234/x/", "http://gpu/v1beta"])
def test_api_is_used_as_it_is(block: Block, api: str) -> None:
    """L-09: no `/v1` is added."""
    for npm in ("@ai-sdk/openai-compatible", "lmstudio", "@ai-sdk/groq"):
        assert block({"npm": npm, "api": api}, v3=True).settings.base_url == api.rstrip("/")


def test_an_empty_v3_block_is_the_known_provider(block: Block) -> None:
    """L-19."""
    provider = block({"enabled": True}, "alibaba", v3=True, env={"DASHSCOPE_API_KEY": "k"})
    assert (provider.spec.name, provider.disabled, provider.discover) == ("qwen", None, True)


def test_the_id_of_a_v3_block_is_what_counts(block: Block) -> None:
    """L-07."""
    provider = block({"id": "groq", "api_key": "k"}, "groq-of-my-team", v3=True)
    assert (provider.id, provider.spec.name) == ("groq-of-my-team", "groq")
