"""The vocabulary of Anthropic's content blocks that requests and answers share."""

from __future__ import annotations

from typing import Any

from llms_core.contracts.function_names import NameRule

Block = dict[str, Any]
"""One content block as decoded JSON: text, image, tool_use, thinking, …"""

Turn = dict[str, Any]
"""One message of Anthropic's: its `role` (`user` or `assistant`) and the list of blocks in `content`."""

#: The key of Anthropic's data in a message's `provider_extra`.
PROVIDER_KEY = "anthropic"

#: The tool that replaces structured outputs on models without them: the input of its call is the answer.
ANSWER_TOOL = "answer_in_json"

#: https://platform.claude.com/docs/en/agents-and-tools/tool-use/implement-tool-use
NAME_RULE = NameRule(characters="A-Za-z0-9_-", first="A-Za-z0-9_-")

#: The types of blocks that hold a model's reasoning.
THINKING_TYPES = frozenset({"thinking", "redacted_thinking"})


def text_block(text: str) -> Block:
    """Return a block of plain text."""
    return {"type": "text", "text": text}
