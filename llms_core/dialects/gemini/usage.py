"""Token counts in Google's terms: https://ai.google.dev/api/generate-content#UsageMetadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llms_core.contracts.completion import Usage

Json = dict[str, Any]

_MODALITIES = ("text", "image", "audio", "video", "document")


def usage_metadata(usage: Usage) -> Json:
    """Return a provider's counts. OpenAI counts reasoning among the tokens of the answer, Google beside them."""
    prompt = usage.prompt_tokens_details or {}
    answer = usage.completion_tokens_details or {}
    thoughts = _count(answer, "reasoning_tokens")
    of_tools = _count(prompt, "tool_use_tokens")
    counts: Json = {
        "promptTokenCount": max(usage.prompt_tokens - of_tools, 0),
        "candidatesTokenCount": max(usage.completion_tokens - thoughts, 0),
        "totalTokenCount": usage.total_tokens,
        "cachedContentTokenCount": _count(prompt, "cached_tokens"),
        "toolUsePromptTokenCount": of_tools,
        "thoughtsTokenCount": thoughts,
        "promptTokensDetails": _by_modality(prompt),
        "candidatesTokensDetails": _by_modality(answer),
    }
    always = ("promptTokenCount", "candidatesTokenCount", "totalTokenCount")
    return {name: count for name, count in counts.items() if count or name in always}


def _by_modality(details: Mapping[str, Any]) -> list[Json]:
    found = []
    for modality in _MODALITIES:
        count = _count(details, f"{modality}_tokens")
        if count:
            found.append({"modality": modality.upper(), "tokenCount": count})
    return found


def _count(details: Mapping[str, Any], name: str) -> int:
    value = details.get(name)
    if isinstance(value, int):
        return value
    return 0
