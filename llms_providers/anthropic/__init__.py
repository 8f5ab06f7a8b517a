"""Anthropic's Messages API, `POST /v1/messages`, and every server that implements it.

https://platform.claude.com/docs/en/api/messages. What a chat completion cannot express is returned to the client in
`provider_extra.anthropic` of the message and read from there when the client sends it back: thinking with its
signatures, blocks of server tools, citations. Clients may use what only Anthropic has, and it is passed on unchanged:
`thinking`, `output_config`, `top_k`, `mcp_servers` and the like, `cache_control` on messages, parts and tools, server
tools by their dated types, and Anthropic's own blocks among the content parts.
"""

from __future__ import annotations

from collections.abc import Iterable

from llms_core import hookimpl
from llms_core.provider import Capabilities, LiteLLMNames, ProviderSpec
from llms_providers.anthropic.adapter import VERSION, Anthropic, AnthropicSettings
from llms_providers.anthropic.vertex import VERTEX_ANTHROPIC

__all__ = ["ANTHROPIC", "VERSION", "VERTEX_ANTHROPIC", "Anthropic", "AnthropicSettings"]

ANTHROPIC = ProviderSpec(
    name="anthropic",
    title="Anthropic",
    litellm=LiteLLMNames(names=("anthropic_text",), models=("claude-*",)),
    docs="https://platform.claude.com/docs/en/api/messages",
    adapter=Anthropic,
    base_url="https://api.anthropic.com/v1",
    key_env=("ANTHROPIC_API_KEY",),
    capabilities=Capabilities(audio=False, logprobs=False, n=False),
    extras=frozenset({"anthropic"}),
    aliases=("claude", "@ai-sdk/anthropic", "@ai-sdk/anthropic-cli"),
    settings=AnthropicSettings,
    wire="llms_providers.anthropic.wire:ANTHROPIC",
)


@hookimpl
def llms_providers() -> Iterable[ProviderSpec]:
    """Register Anthropic, and Claude on Vertex AI."""
    return [ANTHROPIC, VERTEX_ANTHROPIC]
