"""Token counts in Anthropic's terms, and estimates of them where no provider has counted."""

from __future__ import annotations

from typing import Any

import msgspec

from llms_core.contracts.completion import Usage
from llms_core.contracts.request import ChatBody

#: Bytes of JSON per token: close for English and code with all current tokenizers, and too many rather than too few.
_BYTES_PER_TOKEN = 4
#: What a picture or a page costs at most providers, whatever its bytes.
_TOKENS_PER_FILE = 1500
#: Members that are a part of the prompt.
_PROMPT = ("messages", "tools", "response_format")


class Tokens(msgspec.Struct, omit_defaults=True):
    """`usage` of a message. Tokens read from and written to a cache are not among the `input_tokens`."""

    input_tokens: int = msgspec.field(default_factory=int)
    cache_creation_input_tokens: int = msgspec.field(default_factory=int)
    cache_read_input_tokens: int = msgspec.field(default_factory=int)
    output_tokens: int = msgspec.field(default_factory=int)
    output_tokens_details: dict[str, Any] | None = None
    server_tool_use: dict[str, Any] | None = None


def estimated_prompt(body: ChatBody) -> int:
    """Estimate the tokens of a prompt. Files are counted by their number, not by their size."""
    size = sum(len(body.members[name]) for name in _PROMPT if name in body.members)
    files = 0
    for message in body.view.messages:
        if isinstance(message.content, list):
            for part in message.content:
                if part.type != "text":
                    files += 1
                    size -= sum(len(value) for _, value, _ in part.references())
    return max(size, 0) // _BYTES_PER_TOKEN + files * _TOKENS_PER_FILE + 1


def estimated_text(size: int) -> int:
    """Estimate the tokens of a text of so many bytes."""
    return -(-size // _BYTES_PER_TOKEN)


def tokens_of(usage: Usage) -> Tokens:
    """Return a provider's counts. OpenAI counts cached tokens among those of the prompt."""
    details = usage.prompt_tokens_details or {}
    cached = _count(details.get("cached_tokens"))
    written = _count(details.get("cache_write_tokens"))
    answer = usage.completion_tokens_details or {}
    reasoning = _count(answer.get("reasoning_tokens"))
    return Tokens(
        input_tokens=max(usage.prompt_tokens - cached - written, 0),
        cache_creation_input_tokens=written,
        cache_read_input_tokens=cached,
        output_tokens=usage.completion_tokens,
        output_tokens_details={"thinking_tokens": reasoning} if reasoning else None,
        server_tool_use=answer.get("server_tool_use") or None,
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0
