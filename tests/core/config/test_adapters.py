"""A block's adapter and base URL, in our format and in llms.py's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from llms_core.config.model import LlmsJson
from llms_core.errors import ConfigError
from llms_core.provider import ProviderSettings, ProviderSpec

Read = Callable[..., LlmsJson]
Block = Callable[..., Any]

HERE = "http://localhost:8001"


@pytest.mark.parametrize(
    ("members", "spec", "base_url"),
    [
        ({"type": "OpenAiProvider", "base_url": HERE}, "openai-compatible", f"{HERE}/v1"),
        ({"type": "OllamaProvider", "base_url": "http://gpu:11434"}, "ollama", "http://gpu:11434"),
        (
            {"type": "GoogleProvider", "api_key": "k"},
            "google",
            "https://generativelanguage.googleapis.com/v1beta",
        ),
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
def test_type_selects_the_adapter_and_the_url(
    block: Block, members: dict[str, Any], spec: str, base_url: str
) -> None:
    """K-03, SR-113: llms.py's types, the short name in its own tests, and any registered name or alias."""
    provider = block(members)
    assert (provider.spec.name, provider.settings.base_url) == (spec, base_url)


def test_a_block_without_a_type_means_the_provider_of_its_name(block: Block) -> None:
    """K-03."""
    provider = block({"api_key": "k"}, "Groq")
    assert (provider.spec.name, provider.settings.base_url) == (
        "groq",
        "https://api.groq.com/openai/v1",
    )


def test_types_of_llms_py_are_aliases_of_specs(
    block: Block, specs: Mapping[str, ProviderSpec]
) -> None:
    """SR-115: which adapter handles Gemini's OpenAI-compatible endpoint is decided by the plugins alone."""
    members = {"type": "GoogleOpenAiProvider", "api_key": "k"}
    url = "https://generativelanguage.googleapis.com/v1beta"
    assert block(members).spec.name == "google"
    assert block(members).settings.base_url == url
    own = {**specs, "googleopenaiprovider": specs["groq"]}
    assert block(members, specs=own).spec is specs["groq"]


@pytest.mark.parametrize("kind", ["OpenAIProvidr", "grok"])
def test_an_unknown_type_is_an_error_that_lists_the_known_ones(reader: Read, kind: str) -> None:
    """K-03."""
    with pytest.raises(ConfigError) as caught:
        reader({"providers": {"mine": {"type": kind, "base_url": HERE}}})
    text = str(caught.value)
    assert text.startswith(
        f"llms.json:4: providers.mine.type: unknown type '{kind}' of provider 'mine' (did you mean"
    )
    for name in (
        "OpenAiProvider",
        "OllamaProvider",
        "GoogleProvider",
        "GoogleOpenAiProvider",
        "groq",
        "qwen",
    ):
        assert name in text


def test_an_unknown_type_is_accepted_in_a_disabled_block(block: Block) -> None:
    """K-02, K-03."""
    assert block({"type": "gone", "enabled": False}).disabled == "disabled in llms.json"


def test_a_block_of_an_unknown_name_needs_a_type(reader: Read) -> None:
    """K-03."""
    with pytest.raises(
        ConfigError, match=r"providers\.groqq: `type` is missing.*did you mean 'groq'\?"
    ):
        reader({"providers": {"groqq": {"base_url": HERE}}})


@pytest.mark.parametrize("id", ["groq", "z.ai", "Qwen", "alibaba"])
def test_an_openai_compatible_block_uses_the_spec_of_the_provider_of_its_name(
    block: Block, specs: Mapping[str, ProviderSpec], id: str
) -> None:
    """SR-113, SR-114: it decides which parameters are renamed and dropped; the URL is the block's."""
    provider = block({"type": "OpenAiProvider", "base_url": HERE, "api_key": "k"}, id)
    assert provider.spec is specs[id.lower()]
    assert provider.settings.base_url == f"{HERE}/v1"


@pytest.mark.parametrize("id", ["google", "ollama", "cloud"])
def test_an_openai_compatible_block_never_gets_another_kind_of_adapter(
    block: Block, id: str
) -> None:
    """K-03: not even if a provider of its name has one."""
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
        ("https://api.example.com/v1beta", "https://api.example.com/v1beta"),
        ("https://api.example.com/v1beta/openai/", "https://api.example.com/v1beta/openai"),
        ("https://api.example.com/v1alpha2/openai", "https://api.example.com/v1alpha2/openai"),
        ("https://api.example.com/V1.2/openai", "https://api.example.com/V1.2/openai"),
        ("https://api.example.com/v1/openai", "https://api.example.com/v1/openai"),
        ("https://api.example.com/api/v3", "https://api.example.com/api/v3"),
        (
            "https://api.example.com/v1/account/gateway/compat",
            "https://api.example.com/v1/account/gateway/compat",
        ),
        ("https://api.example.com/compat", "https://api.example.com/compat/v1"),
        ("https://api.example.com/v1x", "https://api.example.com/v1x/v1"),
        ("https://api.example.com/my-v1", "https://api.example.com/my-v1/v1"),
        ("https://v2.example.com", "https://v2.example.com/v1"),
        ("https://v1", "https://v1"),
        ("http://[::1]:8080", "http://[::1]:8080/v1"),
    ],
)
def test_v1_is_added_unless_there_is_a_version_in_the_path(
    block: Block, base_url: str, full: str
) -> None:
    """SR-114, K-04."""
    assert block({"type": "OpenAiProvider", "base_url": base_url}).settings.base_url == full


def test_a_block_states_its_exact_path(block: Block) -> None:
    """K-04: no `/v1` is added to its base URL, and the list of models is beside the path."""
    members = {
        "type": "openai-compatible",
        "base_url": f"{HERE}/inference/",
        "path": "/chat/completions",
    }
    settings = block(members).settings
    assert (settings.base_url, settings.path) == (f"{HERE}/inference", "/chat/completions")
    assert block({"type": "groq", "api_key": "k", "path": "/talk?x=1"}).settings.path == "/talk?x=1"


@pytest.mark.parametrize(
    "path", ["", "/", "talk", "//host/talk", "/a b", "/a#b", "https://x/talk", 5]
)
def test_an_invalid_path_is_rejected(block: Block, path: object) -> None:
    with pytest.raises(ConfigError) as caught:
        block({"type": "openai-compatible", "base_url": HERE, "path": path})
    assert caught.value.field == "providers.mine.path"


def test_a_provider_with_a_protocol_of_its_own_has_no_path(
    block: Block, specs: Mapping[str, ProviderSpec]
) -> None:
    class Native:
        def __init__(self, spec: ProviderSpec, settings: ProviderSettings): ...

    native = msgspec.structs.replace(specs["ollama"], adapter=Native)
    with pytest.raises(ConfigError, match=r"providers\.mine\.path: 'ollama' has paths of its own"):
        block({"type": "ollama", "path": "/api/chat"}, specs={**specs, "ollama": native})


def test_the_protocol_can_only_be_chosen_for_openais(
    block: Block, specs: Mapping[str, ProviderSpec]
) -> None:
    class Native:
        def __init__(self, spec: ProviderSpec, settings: ProviderSettings): ...

    assert (
        block({"type": "groq", "api_key": "k", "protocol": "responses"}).settings.protocol
        == "responses"
    )
    native = msgspec.structs.replace(specs["ollama"], adapter=Native)
    with pytest.raises(
        ConfigError, match=r"providers\.mine\.protocol: 'ollama' has a protocol of its own"
    ):
        block({"type": "ollama", "protocol": "responses"}, specs={**specs, "ollama": native})
    with pytest.raises(ConfigError, match=r"providers\.mine\.protocol: "):
        block({"type": "groq", "api_key": "k", "protocol": "both"})


def test_a_block_with_the_host_of_a_known_provider_follows_its_rules(
    block: Block, specs: Mapping[str, ProviderSpec]
) -> None:
    """SR-113: its parameters are renamed and dropped, too; but the provider's key is only for a block of its name."""
    members = {"type": "openai-compatible", "base_url": "https://api.groq.com/openai/v1"}
    provider = block(members, "fast", env={"GROQ_API_KEY": "k"})
    assert provider.spec is specs["groq"]
    assert provider.settings.api_key is None
    assert provider.disabled is None


def test_the_url_of_a_known_provider_is_not_changed(block: Block) -> None:
    """SR-114: the spec of DeepSeek has a URL without a version."""
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
        ("http://me:secret@a", "must have no user and password"),
        ("http://a/v1/chat/completions", "leave out /chat/completions"),
    ],
)
@pytest.mark.parametrize("member", ["base_url", "api"])
def test_an_invalid_url_is_rejected(block: Block, url: str, message: str, member: str) -> None:
    """K-04, L-09: the message does not contain the URL, which may contain a secret."""
    with pytest.raises(ConfigError, match=message) as caught:
        block({"npm": "@ai-sdk/openai-compatible", "api": "http://a", member: url})
    assert caught.value.field == f"providers.mine.{member}"
    assert "secret" not in str(caught.value)


def test_an_openai_compatible_block_needs_a_url(block: Block) -> None:
    """K-04."""
    with pytest.raises(ConfigError, match=r"providers\.mine: `base_url` is missing"):
        block({"type": "OpenAiProvider"})
    assert block({"type": "OpenAiProvider", "enabled": False}).disabled == "disabled in llms.json"


def test_npm_packages_are_aliases_of_specs(block: Block) -> None:
    """L-08: and errors lead back to `npm`. tests/providers/test_presets.py has all packages that llms.py knows."""
    members = {"npm": "@ai-sdk/groq", "api": f"{HERE}/v1", "api_key": "k"}
    provider = block(members, v3=True, strict=True)
    assert (provider.spec.name, provider.settings.base_url, provider.disabled) == (
        "groq",
        f"{HERE}/v1",
        None,
    )


@pytest.mark.parametrize("npm", ["@ai-sdk/openai-compatible", "llms-sdk-provider"])
def test_npm_packages_of_any_openai_compatible_server(block: Block, npm: str) -> None:
    """L-08: with a URL, which they require."""
    provider = block({"npm": npm, "api": f"{HERE}/v1"}, v3=True, strict=True)
    assert (provider.spec.name, provider.settings.base_url) == ("openai-compatible", f"{HERE}/v1")
    assert block({"npm": npm}, v3=True).disabled == f"npm '{npm}' needs `api`"


def test_an_unknown_npm_package_with_a_url_is_openai_compatible(reader: Read) -> None:
    """L-08: a warning, and an error in strict mode."""
    config = {
        "version": 3,
        "providers": {"mine": {"npm": "@ai-sdk/opnai", "api": f"{HERE}/x", "api_key": "k"}},
    }
    read = reader(config)
    assert (read.providers[0].spec.name, read.providers[0].disabled) == ("openai-compatible", None)
    assert (
        "unknown npm '@ai-sdk/opnai'; used as an OpenAI-compatible provider (did you mean"
        in read.warnings[0]
    )
    with pytest.raises(ConfigError):
        reader(config, strict=True)


@pytest.mark.parametrize("members", [{"npm": "nobodys"}, {}, {"npm": "@ai-sdk/xai"}])
def test_an_unknown_v3_provider_is_left_out(reader: Read, members: dict[str, Any]) -> None:
    """L-08, L-19: llms.py's own file names providers that only its catalogue has, so that this is no error."""
    read = reader({"version": 3, "providers": {"unheard-of": members, "groq": {"api_key": "k"}}})
    assert read.providers[0].disabled
    assert read.providers[1].disabled is None
    assert len(read.warnings) == 1


@pytest.mark.parametrize(
    "api", ["http://gpu:1234/v1", "http://gpu:1234", "http://gpu:1234/x/", "http://gpu/v1beta"]
)
def test_api_is_used_unchanged(block: Block, api: str) -> None:
    """L-09: no `/v1` is added."""
    for npm in ("@ai-sdk/openai-compatible", "lmstudio", "@ai-sdk/groq"):
        assert block({"npm": npm, "api": api}, v3=True).settings.base_url == api.rstrip("/")


def test_an_empty_v3_block_means_the_known_provider_of_its_name(block: Block) -> None:
    """L-19."""
    provider = block({"enabled": True}, "alibaba", v3=True, env={"DASHSCOPE_API_KEY": "k"})
    assert (provider.spec.name, provider.disabled, provider.discover) == ("qwen", None, True)


def test_id_names_the_provider_of_a_block_with_another_name(block: Block) -> None:
    """L-07."""
    provider = block({"id": "groq", "api_key": "k"}, "groq-of-my-team", v3=True)
    assert (provider.id, provider.spec.name) == ("groq-of-my-team", "groq")


@pytest.mark.parametrize("member", ["base_url", "api"])
@pytest.mark.parametrize("written", ["$GPU_URL", "${GPU_URL}", " $GPU_URL "])
def test_a_url_may_be_in_a_variable(block: Block, reader: Read, member: str, written: str) -> None:
    """As a key is. Without the variable, the provider is left out with the reason."""
    members = {"type": "openai-compatible", member: written, "models": ["m"]}
    provider = block(members, env={"GPU_URL": "http://gpu:8080/v1"})
    assert (provider.settings.base_url, provider.disabled) == ("http://gpu:8080/v1", None)
    read = reader({"providers": {"mine": members}})
    assert read.providers[0].disabled == "no URL: set GPU_URL"
    assert read.warnings == ("llms.json:3: providers.mine: left out: no URL: set GPU_URL",)
    with pytest.raises(ConfigError, match="not an http\\(s\\) URL"):
        block(members, env={"GPU_URL": "gpu"})
