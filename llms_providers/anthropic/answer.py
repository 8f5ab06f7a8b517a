"""Anthropic's messages as chat completions.

What an OpenAI message cannot express, such as thinking with its signatures, is returned to the client in
`provider_extra.anthropic`; `messages.py` reads it when it comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any

import msgspec

from llms_core.contracts.building import ToolCall, completion
from llms_core.contracts.completion import Completion, finish_reason
from llms_core.contracts.function_names import FunctionNames
from llms_core.contracts.request import ChatCall
from llms_core.contracts.signatures import Owner
from llms_core.contracts.tool_call_ids import AnswerCallIds
from llms_core.errors import ErrorKind, ProviderError
from llms_core.native.message_usage import MessageUsage
from llms_providers.anthropic.blocks import NAME_RULE, PROVIDER_KEY, Block
from llms_providers.anthropic.message import BlockView, Message, MessageEnd, decode, view_block

ErrorReader = Callable[[bytes], ProviderError]
"""Returns the error that a body, or an event of a stream, describes."""

_message_decoder = msgspec.json.Decoder(Message)

#: Stop reasons that the core's table of finish reasons does not know.
_FINISH_REASONS = {
    "model_context_window_exceeded": "length",
    # Anthropic interrupted a long turn; it continues when the client sends the answer back.
    "pause_turn": "stop",
}
#: Stop reasons that lose nothing when they become OpenAI's.
_ORDINARY_REASONS = ("end_turn", "max_tokens", "stop_sequence", "tool_use")

# What a call of Claude's own, rather than of code that it runs, has as its `caller`.
_DIRECT_CALLER = {"type": "direct"}


def read_completion(
    call: ChatCall, body: bytes, owner: Owner, read_error: ErrorReader
) -> Completion:
    """Return a message as a chat completion. Raises ProviderError if the body is something else."""
    message = decode(body, _message_decoder)
    if message.type not in ("message", "") or message.content is None:
        raise read_error(body)
    ids = AnswerCallIds(call)
    raw_blocks = [with_unique_id(raw, ids) for raw in message.content]
    blocks = [view_block(raw) for raw in raw_blocks]
    text = "".join(block.answer_text for block in blocks)
    reasoning = "".join(block.thinking or "" for block in blocks)
    calls = _tool_calls(raw_blocks, blocks, FunctionNames(call, NAME_RULE))
    content: str | None = text
    if calls and not text:
        # As OpenAI answers; without calls, clients expect a string.
        content = None
    return completion(
        call,
        id=message.id,
        content=content,
        reasoning=reasoning,
        tool_calls=calls,
        finish_reason=openai_finish_reason(
            message.stop_reason, has_calls=bool(calls), is_empty=is_empty(blocks)
        ),
        usage=(message.usage or MessageUsage()).as_chat(),
        message=additional_members(raw_blocks, blocks, message, owner),
    )


def _tool_calls(
    raw_blocks: Sequence[Block], blocks: Sequence[BlockView], names: FunctionNames
) -> list[ToolCall]:
    calls: list[ToolCall] = []
    for raw, block in zip(raw_blocks, blocks, strict=True):
        if not block.is_call:
            continue
        call = ToolCall(
            id=block.id,
            name=names.to_client(block.name),
            arguments=block.input_json,
            extra=call_extra(raw),
        )
        calls.append(call)
    return calls


def with_unique_id(raw: Block, ids: AnswerCallIds) -> Block:
    """Return a block with an id that no other call has, if it is a call.

    The message and the original block in `provider_extra` must have the same one.
    """
    own_id = raw.get("id")
    if raw.get("type") != "tool_use" or not isinstance(own_id, str | None):
        return raw
    return {**raw, "id": ids.unique(own_id)}


def call_extra(raw: Block) -> dict[str, Any]:
    """Return the members that a `tool_use` block has beyond OpenAI's, as a member of the tool call."""
    extra: dict[str, Any] = {}
    for name, value in raw.items():
        if name in ("type", "id", "name", "input"):
            continue
        if value is not None and value != _DIRECT_CALLER:
            extra[name] = value
    if not extra:
        return {}
    return {"provider_extra": {PROVIDER_KEY: extra}}


def openai_finish_reason(stop_reason: str | None, *, has_calls: bool, is_empty: bool) -> str:
    """Return the finish reason for a stop reason (SR-048).

    Raises ProviderError if it means a failure, or is missing or unknown after an answer without content.
    """
    stop_reason = stop_reason or ""
    reason = _FINISH_REASONS.get(stop_reason) or finish_reason(stop_reason, is_empty=is_empty)
    if reason is None:
        message = f"Claude stopped before the answer was complete (stop_reason '{stop_reason}')"
        raise ProviderError(ErrorKind.BAD_RESPONSE, message, status=200)
    if reason in ("stop", "tool_calls"):
        # The only call may be of the answer tool, which the client does not see. Other vendors' servers say `end_turn`
        # after a call.
        return "tool_calls" if has_calls else "stop"
    return reason


def is_empty(blocks: Iterable[BlockView]) -> bool:
    """Return whether an answer has no content: no block, or only ones without text."""
    return all(block.type == "text" and not block.text for block in blocks)


def additional_members(
    raw_blocks: Sequence[Block], blocks: Sequence[BlockView], end: MessageEnd, owner: Owner
) -> dict[str, Any]:
    """Return the members of the message other than its text, reasoning and calls. `owner` is the model.

    They are `annotations`, `refusal` and `provider_extra`, each only if there is something in it.
    """
    members: dict[str, Any] = {}
    annotations = list(_annotations(blocks))
    if annotations:
        members["annotations"] = annotations
    explanation = (end.stop_details or {}).get("explanation")
    if end.stop_reason == "refusal" and isinstance(explanation, str):
        members["refusal"] = explanation
    extra = _provider_extra(raw_blocks, blocks, end, owner)
    if extra:
        members["provider_extra"] = {PROVIDER_KEY: extra}
    return members


def _provider_extra(
    raw_blocks: Sequence[Block], blocks: Sequence[BlockView], end: MessageEnd, owner: Owner
) -> dict[str, Any]:
    unusual_reason = end.stop_reason
    if unusual_reason in _ORDINARY_REASONS:
        unusual_reason = None
    content = _inexpressible_blocks(raw_blocks, blocks)
    extra = {
        "content": content,
        "owner": owner if content else None,
        "container": end.container,
        "stop_reason": unusual_reason,
        "stop_sequence": end.stop_sequence,
        "stop_details": end.stop_details,
    }
    return {name: value for name, value in extra.items() if value}


def _inexpressible_blocks(raw_blocks: Sequence[Block], blocks: Sequence[BlockView]) -> list[Block]:
    """Return the blocks to keep in `provider_extra` because OpenAI's message cannot express them.

    If they precede all others, as thinking does, only they are kept, and the rest is rebuilt from the message later.
    Otherwise all blocks are kept, because their order matters.
    """
    if not any(_is_opaque(block) for block in blocks):
        return []
    leading = len(list(takewhile(_is_opaque, blocks)))
    kept = raw_blocks
    if _can_be_rebuilt(blocks[leading:]):
        kept = raw_blocks[:leading]
    return [without_nulls(raw) for raw in kept]


def _is_opaque(block: BlockView) -> bool:
    return block.type not in ("text", "tool_use") or bool(block.citations)


def _can_be_rebuilt(blocks: Sequence[BlockView]) -> bool:
    """Return whether the blocks are what a message is translated to: at most one text, then calls."""
    if any(_is_opaque(block) for block in blocks):
        return False
    return all(block.type != "text" for block in blocks[1:])


def without_nulls(raw: Block) -> Block:
    """Return a block without its nulls."""
    # Anthropic returns nulls that it does not accept in a request.
    return {name: value for name, value in raw.items() if value is not None}


def _annotations(blocks: Iterable[BlockView]) -> Iterator[dict[str, Any]]:
    """Yield cited web pages as OpenAI's annotations of the text that they support."""
    end = 0
    for block in blocks:
        start = end
        end += len(block.answer_text)
        for citation in block.citations or ():
            if not citation.url:
                continue
            yield {
                "type": "url_citation",
                "url_citation": {
                    "start_index": start,
                    "end_index": end,
                    "url": citation.url,
                    "title": citation.title or "",
                },
            }
