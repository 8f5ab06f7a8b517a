"""What OpenAI itself has and accepts, at whichever address."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from llms_core.contracts.embeddings import EmbeddingRules
from llms_core.provider import RequestRules

OPENAI_PATHS: Mapping[str, str] = MappingProxyType(
    {
        "embeddings": "/embeddings",
        "rerank": "/rerank",
        "moderations": "/moderations",
        "images_generations": "/images/generations",
        "images_edits": "/images/edits",
        "images_variations": "/images/variations",
        "audio_speech": "/audio/speech",
        "audio_transcriptions": "/audio/transcriptions",
        "audio_translations": "/audio/translations",
    }
)
"""OpenAI's paths of the operations that `OpenAICompatible` has methods for, beside chat."""

OPENAI_RULES = RequestRules(
    members=frozenset({"name", "assistant.refusal", "assistant.audio", "assistant.annotations"}),
    developer=True,
    # Longer ids are answered with "string too long".
    tool_call_id="(?s:.{1,40})",
    # The reasoning models refuse `max_tokens`, and all others take the newer name, too.
    max_completion_tokens=("*",),
    # Each of these models names the Responses API as its only endpoint.
    responses=(
        "*codex*",
        "o1-pro*",
        "o3-pro*",
        "gpt-[5-9]*-pro*",
        "*deep-research*",
        "computer-use-preview*",
    ),
    # "Function tools with reasoning_effort are not supported for gpt-5.4 in /v1/chat/completions."
    responses_for_tools=("gpt-5.[4-9]*", "gpt-[6-9]*"),
)
"""What OpenAI itself accepts, at whichever address."""


OPENAI_EMBEDDINGS = EmbeddingRules(tokens=True, dimensions="dimensions", base64=True)
"""What OpenAI itself accepts in requests for embeddings."""
