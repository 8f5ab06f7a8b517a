"""Token counts in Anthropic's terms."""

from __future__ import annotations

from typing import Any

import msgspec

from llms_core.contracts.completion import Usage

#: Every counter has to be there; servers that do not have the tool leave it out.
_NO_REQUESTS = {"web_search_requests": 0, "web_fetch_requests": 0}


class Tokens(msgspec.Struct, omit_defaults=True):
    """`usage` of a message. Tokens read from and written to a cache are not among the `input_tokens`."""

    input_tokens: int = msgspec.field(default_factory=int)
    cache_creation_input_tokens: int = msgspec.field(default_factory=int)
    cache_read_input_tokens: int = msgspec.field(default_factory=int)
    output_tokens: int = msgspec.field(default_factory=int)
    output_tokens_details: dict[str, Any] | None = None
    server_tool_use: dict[str, Any] | None = None


def tokens_of(usage: Usage) -> Tokens:
    """Return a provider's counts. OpenAI counts cached tokens among those of the prompt."""
    details = usage.prompt_tokens_details or {}
    cached = _count(details.get("cached_tokens"))
    written = _count(details.get("cache_write_tokens"))
    answer = usage.completion_tokens_details or {}
    server_tools = answer.get("server_tool_use")
    used = None
    if isinstance(server_tools, dict) and server_tools:
        used = {**_NO_REQUESTS, **server_tools}
    reasoning = _count(answer.get("reasoning_tokens"))
    return Tokens(
        input_tokens=max(usage.prompt_tokens - cached - written, 0),
        cache_creation_input_tokens=written,
        cache_read_input_tokens=cached,
        output_tokens=usage.completion_tokens,
        output_tokens_details={"thinking_tokens": reasoning} if reasoning else None,
        server_tool_use=used,
    )


def _count(value: object) -> int:
    if isinstance(value, int):
        return value
    return 0
