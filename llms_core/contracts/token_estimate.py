"""Estimates of token counts, for where no provider has counted."""

from __future__ import annotations

from llms_core.contracts.request import ChatBody

#: Bytes of JSON per token: close for English and code with all current tokenizers, and too many rather than too few.
_BYTES_PER_TOKEN = 4
#: What a picture or a page costs at most providers, whatever its bytes.
_TOKENS_PER_FILE = 1500
#: Members that are a part of the prompt.
_PROMPT = ("messages", "tools", "response_format")


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
