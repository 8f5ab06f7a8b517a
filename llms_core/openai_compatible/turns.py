"""The order of messages, for providers that accept only some."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from llms_core.contracts.json import encode_raw
from llms_core.contracts.request import Message
from llms_core.provider import RequestRules

RawMessage = dict[str, Raw]

_USER = encode_raw("user")
_NO_TEXT = encode_raw("")
#: What the assistant says between a tool's result and a user who did not wait for its answer.
_ACKNOWLEDGEMENT: RawMessage = {"role": encode_raw("assistant"), "content": encode_raw("OK")}


def is_ordered(messages: Iterable[Message], rules: RequestRules) -> bool:
    """Whether the messages are in an order that the rules accept."""
    previous = ""
    for message in messages:
        role = message.role
        if rules.assistant_after_tool and previous == "tool" and role not in ("assistant", "tool"):
            return False
        if rules.alternate and not _takes_turn(previous, role):
            return False
        previous = role
    return True


def _takes_turn(previous: str, role: str) -> bool:
    if role in ("system", "developer"):
        return previous in ("", "system", "developer")
    return role != previous or role == "tool"


def ordered(messages: Sequence[RawMessage], rules: RequestRules) -> Sequence[RawMessage]:
    """Return the messages with others between or instead of them, in an order that the rules accept."""
    if rules.assistant_after_tool:
        messages = _with_assistant_after_tool(messages)
    if rules.alternate:
        messages = _alternating(messages)
    return messages


def _with_assistant_after_tool(messages: Iterable[RawMessage]) -> list[RawMessage]:
    result: list[RawMessage] = []
    previous = ""
    for message in messages:
        role = _role(message)
        if previous == "tool" and role not in ("assistant", "tool"):
            result.append(_ACKNOWLEDGEMENT)
        result.append(message)
        previous = role
    return result


def _alternating(messages: Iterable[RawMessage]) -> list[RawMessage]:
    """Join the messages of one role that follow each other, and turn late system messages into those of a user."""
    result: list[RawMessage] = []
    joined: list[RawMessage] = []
    for original in messages:
        message = original
        if _role(message) == "system" and joined and _role(joined[-1]) != "system":
            message = {**message, "role": _USER}
        if joined and not _can_join(joined[-1], message):
            result.append(_joined(joined))
            joined = []
        joined.append(message)
    if joined:
        result.append(_joined(joined))
    return result


def _can_join(first: RawMessage, second: RawMessage) -> bool:
    role = _role(first)
    return role in ("user", "assistant") and role == _role(second) and "tool_calls" not in first


def _role(message: RawMessage) -> str:
    return str(msgspec.json.decode(message["role"]))


def _joined(messages: Sequence[RawMessage]) -> RawMessage:
    if len(messages) == 1:
        return messages[0]
    contents = [msgspec.json.decode(message.get("content", _NO_TEXT)) or "" for message in messages]
    # Only the last one can have tool calls.
    result = {**messages[0], **messages[-1]}
    if all(isinstance(content, str) for content in contents):
        return {
            **result,
            "content": encode_raw("\n\n".join(content for content in contents if content)),
        }
    parts: list[dict[str, Any]] = []
    for content in contents:
        parts += [{"type": "text", "text": content}] if isinstance(content, str) else content
    return {**result, "content": encode_raw(parts)}
