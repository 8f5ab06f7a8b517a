"""Codestral: Mistral's models for code."""

from __future__ import annotations

from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import ProviderSpec
from llms_providers.presets import litellm
from llms_providers.presets.accepted import (
    MISTRAL_CAPABILITIES,
    MISTRAL_DROP,
    MISTRAL_RENAME,
    MISTRAL_RULES,
)

CODESTRAL = ProviderSpec(
    # Mistral's models for code at a separate address, with separate keys.
    name="codestral",
    title="Codestral",
    litellm=litellm.CODESTRAL,
    docs="https://docs.mistral.ai/api/",
    adapter=OpenAICompatible,
    base_url="https://codestral.mistral.ai/v1",
    key_env=("CODESTRAL_API_KEY",),
    capabilities=MISTRAL_CAPABILITIES,
    rename=MISTRAL_RENAME,
    drop=MISTRAL_DROP,
    rules=MISTRAL_RULES,
)
