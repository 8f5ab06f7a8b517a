"""The blocks of an earlier answer that the client returns in `provider_extra`, as far as this model accepts them.

Claude verifies the signature of thinking. Its own are valid at Anthropic, Amazon Bedrock and Google Cloud alike, and
for all of its models: the API leaves out what a model cannot read, without an error
(https://platform.claude.com/docs/en/build-with-claude/preserved-thinking). Other vendors' servers of the same protocol
sign in their own ways, or not at all, and Claude rejects the request with their thinking.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llms_core.contracts.signatures import Owner, first_word, is_claudes, owner_in
from llms_providers.anthropic.blocks import PROVIDER_KEY, THINKING_TYPES, Block

#: The family of all of Claude's models, whoever provides them.
CLAUDE = "claude"


def owner_of(provider: str, model: str) -> Owner:
    """Return the owner of what a model thinks. `provider` is the provider's name in llms.json."""
    return Owner(provider, CLAUDE if CLAUDE in model.lower() else first_word(model))


def original_blocks(provider_extra: Mapping[str, Any] | None, own: Owner) -> list[Block]:
    """Return the blocks in `provider_extra` that can be sent to `own`. The client may have put anything there."""
    extra = (provider_extra or {}).get(PROVIDER_KEY)
    if not isinstance(extra, dict) or not isinstance(extra.get("content"), list):
        return []
    owner = owner_in(extra)
    if owner is not None and owner.family != own.family:
        return []
    return [
        block
        for block in extra["content"]
        if _is_sendable(block) and _is_accepted(block, owner, own)
    ]


def _is_sendable(block: object) -> bool:
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        return False
    # Claude returns empty texts, but does not accept them.
    return block.get("text") != ""


def _is_accepted(block: Block, owner: Owner | None, own: Owner) -> bool:
    """Whether `own` accepts a block of `owner`: of nobody, in conversations from before owners were named."""
    if block["type"] not in THINKING_TYPES:
        return True
    # Redacted thinking is encrypted as a whole.
    signature = block.get("signature") or block.get("data")
    if own.family == CLAUDE:
        return bool(signature) and (owner == own or is_claudes(signature))
    return owner == own or (owner is None and not is_claudes(signature))
