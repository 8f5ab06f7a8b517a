"""Provider types for the tests, and short ways to read a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from llms_core.config.llms_json import read
from llms_core.config.model import LlmsJson
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import Capabilities, HttpAdapter, ProviderSettings, ProviderSpec
from llms_core.secret import Secret

WITH_KEYS = (
    "ANTHROPIC",
    "CODESTRAL",
    "DASHSCOPE",
    "GOOGLE",
    "GOOGLE_FREE",
    "GROQ",
    "LLMSPY",
    "SMALL_CLOUD",
    "ZAI",
)

Read = Callable[..., LlmsJson]


class GeminiSettings(ProviderSettings, kw_only=True):
    """Members that one adapter adds to its blocks."""

    safety_settings: list[dict[str, str]] | None = None
    thinking_config: dict[str, Any] | None = None


class CloudSettings(ProviderSettings, kw_only=True):
    """Members that a plugin's adapter requires; one is a secret."""

    region: str
    secret_key: Secret | None = None
    zones: dict[str, int] | None = None


class BrokenSettings(ProviderSettings, kw_only=True):
    """Settings with a type that cannot be resolved, by a mistake of the plugin."""

    where: Nowhere  # type: ignore[name-defined]  # noqa: F821


def native(spec: ProviderSpec, settings: ProviderSettings) -> HttpAdapter:
    """Stand in for an adapter that is not OpenAI-compatible. Reading a file creates no adapters."""
    raise NotImplementedError


def preset(name: str, base_url: str, key: str, *aliases: str, **more: Any) -> ProviderSpec:
    """Make the spec of an OpenAI-compatible provider."""
    return ProviderSpec(
        name=name,
        title=name,
        adapter=OpenAICompatible,
        base_url=base_url,
        key_env=(key,),
        aliases=aliases,
        **more,
    )


SPECS = (
    preset(
        "groq",
        "https://api.groq.com/openai/v1",
        "GROQ_API_KEY",
        "@ai-sdk/groq",
        capabilities=Capabilities(n=False),
    ),
    preset("codestral", "https://codestral.mistral.ai/v1", "CODESTRAL_API_KEY"),
    preset("openai", "https://api.openai.com/v1", "OPENAI_API_KEY", "@ai-sdk/openai"),
    preset(
        "anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY", "@ai-sdk/anthropic-cli"
    ),
    preset(
        "qwen",
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        "DASHSCOPE_API_KEY",
        "alibaba",
    ),
    preset(
        "zai", "https://api.z.ai/api/paas/v4", "ZAI_API_KEY", "z.ai", drop=frozenset({"metadata"})
    ),
    preset("deepseek", "https://api.deepseek.com", "DEEPSEEK_API_KEY"),
    preset("lmstudio", "http://localhost:1234/v1", "LMSTUDIO_API_KEY", needs_key=False),
    preset("openai-local", "http://localhost:8000/v1", "OPENAI_LOCAL_API_KEY", needs_key=False),
    ProviderSpec(
        name="google",
        title="Gemini",
        adapter=native,
        base_url="https://generativelanguage.googleapis.com/v1beta",
        key_env=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
        settings=GeminiSettings,
        aliases=("GoogleProvider", "GoogleOpenAiProvider", "@ai-sdk/google"),
    ),
    ProviderSpec(
        name="ollama",
        title="Ollama",
        adapter=native,
        base_url="http://localhost:11434",
        needs_key=False,
        aliases=("OllamaProvider",),
    ),
    ProviderSpec(
        name="cloud", title="Cloud", adapter=native, needs_key=False, settings=CloudSettings
    ),
    ProviderSpec(
        name="broken", title="Broken", adapter=native, needs_key=False, settings=BrokenSettings
    ),
    ProviderSpec(
        name="demo", title="Demo", adapter=native, needs_key=False, models={"small": "small-135m"}
    ),
)


@pytest.fixture
def specs() -> Mapping[str, ProviderSpec]:
    """The specs by name and alias in lower case, as the plugin host provides them."""
    return {name.lower(): spec for spec in SPECS for name in (spec.name, *spec.aliases)}


@pytest.fixture
def samples() -> Path:
    """The folder with files in llms.py's formats."""
    return Path(__file__).parent / "samples"


@pytest.fixture
def all_keys() -> Mapping[str, str]:
    """An environment that contains a key for each provider of the samples."""
    return {f"{name}_API_KEY": f"sk-of-{name.lower()}" for name in WITH_KEYS}


@pytest.fixture
def reader(specs: Mapping[str, ProviderSpec]) -> Read:
    """Reads a dict, a string or bytes as llms.json, without an environment or a catalogue unless they are given."""

    def read_config(
        config: Mapping[str, Any] | str | bytes,
        *,
        env: Mapping[str, str] | None = None,
        strict: bool = False,
        catalogue: Sequence[Path] = (),
        specs: Mapping[str, ProviderSpec] = specs,
    ) -> LlmsJson:
        if isinstance(config, Mapping):
            config = json.dumps(config, indent=2)
        data = config.encode() if isinstance(config, str) else config
        return read(data, "llms.json", specs, env=env or {}, strict=strict, catalogue=catalogue)

    return read_config


@pytest.fixture
def block(reader: Read) -> Callable[..., Any]:
    """Reads one provider block; its id is `mine` by default."""

    def read_block(
        members: Mapping[str, Any], id: str = "mine", *, v3: bool = False, **options: Any
    ) -> Any:
        config: dict[str, Any] = {"providers": {id: members}}
        if v3:
            config["version"] = 3
        return reader(config, **options).providers[0]

    return read_block
