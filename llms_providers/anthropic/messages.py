"""The messages of a chat completion request as Anthropic's system prompt and turns.

Members that only Anthropic knows, such as `cache_control` on messages and parts, are passed on. The blocks that an
earlier answer put into `provider_extra` return to their place in the conversation, if this model accepts them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from llms_core.contracts.content import NO_CONTENT, text_of
from llms_core.contracts.function_names import FunctionNames
from llms_core.contracts.request import ChatCall, Message
from llms_core.contracts.signatures import Owner
from llms_core.contracts.tool_call_ids import COMMON_ID, SentCall, ToolCallIds
from llms_core.errors import RequestError, Unsupported
from llms_providers.anthropic.blocks import PROVIDER_KEY, THINKING_TYPES, Block, Turn, text_block
from llms_providers.anthropic.content import content_blocks
from llms_providers.anthropic.originals import original_blocks

#: Members of messages and parts that `Message` and `Part` do not declare, but that are read here.
_UNDECLARED = re.compile(
    rb'"(?:cache_control|citations|context|file_id|is_error|refusal|source|title|tool_name)"\s*:'
)

#: Members of a `tool` message that Anthropic's `tool_result` has as well.
_RESULT_MEMBERS = ("cache_control", "is_error")


def conversation(
    call: ChatCall, owner: Owner, names: FunctionNames
) -> tuple[list[Block], list[Turn]]:
    """Return the system prompt and the turns of a conversation. `owner` is the model that will get them.

    Instructions are collected from wherever they stand (SR-041). Consecutive turns have different roles, and the first
    is the user's. Raises Unsupported or RequestError, which name the message.
    """
    system: list[Block] = []
    turns: list[Turn] = []
    raw_messages = _raw_messages(call)
    ids = ToolCallIds(COMMON_ID)
    for number, message in enumerate(call.request.messages):
        raw = raw_messages[number]
        param = f"messages[{number}]"
        match message.role:
            case "system" | "developer":
                system += content_blocks(message, raw, param)
            case "user":
                _append_user(turns, content_blocks(message, raw, param))
            case "assistant":
                blocks = _assistant_blocks(message, raw, param, ids.calls(message), names, owner)
                _append(turns, "assistant", blocks)
            case "tool":
                _append(turns, "user", [_tool_result(message, raw, param, ids)])
            case "function":
                raise Unsupported(
                    "Claude does not support messages of the role 'function'", param=f"{param}.role"
                )
    if not turns:
        # There are only instructions: they are what is to be answered.
        _append_user(turns, system)
        system = []
    elif turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": [text_block(NO_CONTENT)]})
    _move_results_first(turns)
    _strip_prefill(turns)
    return system, turns


def _raw_messages(call: ChatCall) -> Sequence[Mapping[str, Any]]:
    """Return the decoded JSON of each message; empty objects if no message has undeclared members.

    Decoding a long conversation a second time is expensive and rarely necessary.
    """
    if _UNDECLARED.search(call.members["messages"]) is None:
        return [{}] * len(call.request.messages)
    messages: list[dict[str, Any]] = call.get("messages")
    return messages


def _append(turns: list[Turn], role: str, blocks: list[Block]) -> None:
    """Append blocks as a turn; join them with the last turn if the role is the same."""
    if not blocks:
        return
    if turns and turns[-1]["role"] == role:
        turns[-1]["content"] += blocks
    else:
        turns.append({"role": role, "content": blocks})


def _append_user(turns: list[Turn], blocks: list[Block]) -> None:
    """Append a message of the user, which may be empty: without it, the turns around it would be joined."""
    if not blocks and not (turns and turns[-1]["role"] == "user"):
        blocks = [text_block(NO_CONTENT)]
    _append(turns, "user", blocks)


def _move_results_first(turns: list[Turn]) -> None:
    """Anthropic requires the results of tools before anything else in a turn."""
    for turn in turns:
        if turn["role"] == "user":
            # The sort is stable.
            turn["content"].sort(key=lambda block: block["type"] != "tool_result")


def _strip_prefill(turns: list[Turn]) -> None:
    """Strip the end of an answer that the client began: Anthropic rejects whitespace there."""
    last_turn = turns[-1]
    if last_turn["role"] != "assistant":
        return
    last_block = last_turn["content"][-1]
    if last_block["type"] == "text" and isinstance(last_block.get("text"), str):
        # A new block, because this one may belong to the request.
        last_turn["content"][-1] = {**last_block, "text": last_block["text"].rstrip()}


def _assistant_blocks(
    message: Message,
    raw: Mapping[str, Any],
    param: str,
    calls: Sequence[SentCall],
    names: FunctionNames,
    owner: Owner,
) -> list[Block]:
    """Return the blocks of an earlier answer: the original ones, if the client sent them back and changed nothing."""
    blocks = content_blocks(message, raw, param)
    refusal = raw.get("refusal")
    if not blocks and isinstance(refusal, str) and refusal:
        blocks = [text_block(refusal)]
    for call in calls:
        blocks.append(_tool_use(call, names))
    original = original_blocks(message.provider_extra, owner)
    if not any(block["type"] in ("text", "tool_use") for block in original):
        # Only what the message itself cannot express, and what precedes the rest: reasoning, for example.
        return original + blocks
    if _is_unchanged(original, text_of(message.content), calls):
        return _as_sent(original, calls, names)
    # The client edited the message. The reasoning remains valid, the rest of the original does not.
    reasoning = [block for block in original if block["type"] in THINKING_TYPES]
    return reasoning + blocks


def _is_unchanged(original: Sequence[Block], text: str, calls: Sequence[SentCall]) -> bool:
    """Return whether a message still has the text and the calls of its original blocks."""
    original_text = ""
    original_ids = []
    for block in original:
        if block["type"] == "text":
            original_text += str(block.get("text") or "")
        elif block["type"] == "tool_use":
            original_ids.append(block.get("id"))
    return original_text == text and original_ids == [call.called.id for call in calls]


def _as_sent(
    original: Sequence[Block], calls: Sequence[SentCall], names: FunctionNames
) -> list[Block]:
    """Return original blocks with the ids and names that their calls have in this request."""
    remaining = iter(calls)
    blocks = []
    for block in original:
        if block["type"] == "tool_use":
            call = next(remaining)
            block = {**block, "id": call.id, "name": names.to_provider(call.name)}
        blocks.append(block)
    return blocks


def _tool_use(call: SentCall, names: FunctionNames) -> Block:
    block: Block = {
        "type": "tool_use",
        "id": call.id,
        "name": names.to_provider(call.name),
        "input": call.called.arguments(),
    }
    extra = (call.called.provider_extra or {}).get(PROVIDER_KEY)
    if isinstance(extra, dict):
        return {**extra, **block}
    return block


def _tool_result(message: Message, raw: Mapping[str, Any], param: str, ids: ToolCallIds) -> Block:
    call = ids.result(message)
    if call is None and message.tool_call_id is None:
        missing = f"{param}.tool_call_id"
        raise RequestError(f"Missing required parameter: '{missing}'", param=missing)
    call_id = ids.orphan_id(message) if call is None else call.id
    result: Block = {"type": "tool_result", "tool_use_id": call_id}
    if isinstance(message.content, list):
        # Only the content: a `cache_control` of the message belongs to the result, not to its last block.
        result["content"] = content_blocks(message, {"content": raw.get("content")}, param)
    elif message.content:
        result["content"] = message.content
    for name in _RESULT_MEMBERS:
        if raw.get(name) is not None:
            result[name] = raw[name]
    return result
