"""The messages of a chat completion request as Anthropic's system prompt and turns.

Members that only Anthropic knows, such as `cache_control` on messages and parts, are passed on. The blocks that an
earlier answer put into `provider_extra` return to their place in the conversation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llms_core.contracts.content import NO_CONTENT, text_of
from llms_core.contracts.function_names import FunctionNames
from llms_core.contracts.request import ChatCall, Message
from llms_core.contracts.tools import Called, called
from llms_core.errors import RequestError, Unsupported
from llms_providers.anthropic.blocks import PROVIDER_KEY, THINKING_TYPES, Block, Turn, text_block
from llms_providers.anthropic.content import content_blocks

#: Members of messages and parts that `Message` and `Part` do not declare, but that are read here.
_UNDECLARED = re.compile(rb'"(?:cache_control|citations|context|file_id|is_error|refusal|source|title|tool_name)"\s*:')

#: Members of a `tool` message that Anthropic's `tool_result` has as well.
_RESULT_MEMBERS = ("cache_control", "is_error")

#: Characters that Anthropic refuses in ids of calls; those of other providers may contain them.
_INVALID_IN_ID = re.compile(r"[^a-zA-Z0-9_-]")


def conversation(call: ChatCall, names: FunctionNames) -> tuple[list[Block], list[Turn]]:
    """Return the system prompt and the turns of a conversation.

    Instructions are collected from wherever they stand (SR-041). Consecutive turns have different roles, and the first
    is the user's. Raises Unsupported or RequestError, which name the message.
    """
    system: list[Block] = []
    turns: list[Turn] = []
    raw_messages = _raw_messages(call)
    for number, message in enumerate(call.request.messages):
        raw = raw_messages[number]
        param = f"messages[{number}]"
        match message.role:
            case "system" | "developer":
                system += content_blocks(message, raw, param)
            case "user":
                _append_user(turns, content_blocks(message, raw, param))
            case "assistant":
                _append(turns, "assistant", _assistant_blocks(message, raw, param, names))
            case "tool":
                _append(turns, "user", [_tool_result(message, raw, param)])
            case "function":
                raise Unsupported("Claude does not support messages of the role 'function'", param=f"{param}.role")
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


def _assistant_blocks(message: Message, raw: Mapping[str, Any], param: str, names: FunctionNames) -> list[Block]:
    """Return the blocks of an earlier answer: the original ones, if the client sent them back and changed nothing."""
    calls = called(message)
    blocks = content_blocks(message, raw, param)
    refusal = raw.get("refusal")
    if not blocks and isinstance(refusal, str) and refusal:
        blocks = [text_block(refusal)]
    for call in calls:
        blocks.append(_tool_use(call, names))
    original = _original_blocks(message.provider_extra)
    if not any(block["type"] in ("text", "tool_use") for block in original):
        # Only what the message itself cannot express, and what precedes the rest: reasoning, for example.
        return original + blocks
    if _is_unchanged(original, text_of(message.content), calls):
        return original
    # The client edited the message. The reasoning remains valid, the rest of the original does not.
    reasoning = [block for block in original if block["type"] in THINKING_TYPES]
    return reasoning + blocks


def _original_blocks(provider_extra: Mapping[str, Any] | None) -> list[Block]:
    """Return the blocks in `provider_extra` that can be sent. The client may have put anything there."""
    extra = (provider_extra or {}).get(PROVIDER_KEY)
    if not isinstance(extra, dict):
        return []
    content = extra.get("content")
    if not isinstance(content, list):
        return []
    return [block for block in content if _is_sendable(block)]


def _is_sendable(block: object) -> bool:
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        return False
    # Claude returns empty texts, but does not accept them.
    return block.get("text") != ""


def _is_unchanged(original: Iterable[Block], text: str, calls: Iterable[Called]) -> bool:
    """Return whether a message still has the text and the calls of its original blocks."""
    original_text = ""
    original_ids = []
    for block in original:
        if block["type"] == "text":
            original_text += str(block.get("text") or "")
        elif block["type"] == "tool_use":
            original_ids.append(block.get("id"))
    return original_text == text and original_ids == [call.id for call in calls]


def _tool_use(call: Called, names: FunctionNames) -> Block:
    block: Block = {
        "type": "tool_use",
        "id": _valid_id(call.id),
        "name": names.to_provider(call.function.name),
        "input": call.arguments(),
    }
    extra = (call.provider_extra or {}).get(PROVIDER_KEY)
    if isinstance(extra, dict):
        return {**extra, **block}
    return block


def _tool_result(message: Message, raw: Mapping[str, Any], param: str) -> Block:
    if message.tool_call_id is None:
        missing = f"{param}.tool_call_id"
        raise RequestError(f"Missing required parameter: '{missing}'", param=missing)
    result: Block = {"type": "tool_result", "tool_use_id": _valid_id(message.tool_call_id)}
    if isinstance(message.content, list):
        # Only the content: a `cache_control` of the message belongs to the result, not to its last block.
        result["content"] = content_blocks(message, {"content": raw.get("content")}, param)
    elif message.content:
        result["content"] = message.content
    for name in _RESULT_MEMBERS:
        if raw.get(name) is not None:
            result[name] = raw[name]
    return result


def _valid_id(call_id: str) -> str:
    """Return the id of a call in the alphabet that Anthropic accepts."""
    return _INVALID_IN_ID.sub("_", call_id) or "call"
