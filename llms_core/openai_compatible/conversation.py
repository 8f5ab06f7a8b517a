"""Rewrites the messages of a request for a provider that accepts less than OpenAI does, or something else.

A conversation may have begun with another model: its answers come back with members of that model's provider, and with
that provider's ids of tool calls. What a provider accepts is data: the RequestRules of its spec.

Messages that need no change are recognized by their type (PlainChatRequest), and passed on as the client's bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Raw

from llms_core.contracts.content import Part
from llms_core.contracts.json import UNREADABLE, decode_members, encode_raw, is_null
from llms_core.contracts.request import ChatRequest, Message, PlainChatRequest
from llms_core.contracts.tool_call_ids import ANY_ID, SentCall, ToolCallIds
from llms_core.openai_compatible.parts import audio_text, document_url
from llms_core.provider import ANY_MEMBER, RequestRules

RawMessage = dict[str, Raw]

#: Members of OpenAI's own that every provider accepts.
_MESSAGE = frozenset({"role", "content", "tool_calls", "tool_call_id", "function_call"})
_TOOL_CALL = frozenset({"id", "type", "function", "custom"})
_TOOL = frozenset({"type", "function", "custom"})
_PART = frozenset(Part.__struct_fields__) | {"document_url", "document_name", "thinking"}

#: Members of answers that clients send back. ANY_MEMBER does not include them.
_OWN = frozenset({"provider_extra", "extra_content", "reasoning_content"})
#: Further members of answers, of OpenAI's or other providers'. Their loss is not reported: the client did not set them.
_ANSWER = _OWN | {"annotations", "audio", "images", "index", "reasoning", "reasoning_details", "refusal"}

#: Dropped members that are reported to the client: only names as of parameters, and so few that a header has room.
_REPORTED_NAME = re.compile(r"[a-z_]{1,32}")
_MAX_REPORTED = 8

_USER = encode_raw("user")
_FUNCTION = encode_raw("function")
_NO_TEXT = encode_raw("")
#: What the assistant says between a tool's result and a user who did not wait for its answer.
_ACKNOWLEDGEMENT: RawMessage = {"role": encode_raw("assistant"), "content": encode_raw("OK")}

_HEX_DIGITS = "0123456789abcdef" * 2

_decode_messages = msgspec.json.Decoder(list[RawMessage]).decode
_decode_objects = msgspec.json.Decoder(list[dict[str, Raw]]).decode


class _PlainFunction(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    arguments: str


class _PlainToolCall(msgspec.Struct, forbid_unknown_fields=True):
    """A tool call that every provider accepts, if its id is valid there and its arguments are a JSON object."""

    id: str
    type: Literal["function"]
    function: _PlainFunction


_decode_plain_call = msgspec.json.Decoder(_PlainToolCall).decode


class _Typed(msgspec.Struct):
    type: Any = None


_decode_type = msgspec.json.Decoder(_Typed).decode


class _Accepted:
    """The members that the rules accept in one place: the messages of a role, tool calls, parts or tools."""

    def __init__(self, rules: RequestRules, place: str, base: frozenset[str]):
        own = {name.removeprefix(f"{place}.") for name in rules.members}
        self._names = base | own
        self._any = ANY_MEMBER in own

    def __contains__(self, name: str) -> bool:
        return name in self._names or (self._any and name not in _OWN)

    def reject(self, members: Iterable[str]) -> list[str]:
        """Return the names that are not accepted."""
        return [name for name in members if name not in self]


class Conversation:
    """Rewrites the messages of requests by a provider's rules."""

    def __init__(self, rules: RequestRules):
        self._rules = rules
        self._by_role = {
            role: _Accepted(rules, role, _MESSAGE) for role in ("system", "developer", "user", "assistant", "tool")
        }
        # The name is what a result of this old kind has instead of an id.
        self._by_role["function"] = _Accepted(rules, "function", _MESSAGE | {"name"})
        self._calls = _Accepted(rules, "tool_calls", _TOOL_CALL)
        self._parts = _Accepted(rules, "parts", _PART)
        self._valid_id = re.compile(rules.tool_call_id) if rules.tool_call_id else ANY_ID
        self._id_length = generated_id_length(self._valid_id)
        self._rewrites_parts = rules.document_url or rules.audio_text
        self._orders = rules.alternate or rules.assistant_after_tool

    def rewritten(self, request: ChatRequest, messages: Raw) -> tuple[Raw, list[str]]:
        """Return the messages as the provider accepts them, and the names of members that the client set in vain.

        Raises Unsupported for a file that cannot be translated.
        """
        if self._conforms(request):
            return messages, []
        lost: set[str] = set()
        ids = None if _has_custom_calls(request) else ToolCallIds(self._valid_id, length=self._id_length)
        pairs = zip(request.messages, _decode_messages(messages), strict=True)
        rewritten = [self._message(view, message, ids, lost) for view, message in pairs]
        kept = [message for message in rewritten if message]
        if self._rules.assistant_after_tool:
            kept = _with_assistant_after_tool(kept)
        if self._rules.alternate:
            kept = _alternating(kept)
        reported = sorted(name for name in lost if _REPORTED_NAME.fullmatch(name))
        return encode_raw(kept), [f"messages.{name}" for name in reported[:_MAX_REPORTED]]

    def _conforms(self, request: ChatRequest) -> bool:
        """Whether no message needs a change."""
        if not isinstance(request, PlainChatRequest):
            return False
        ids: set[str] = set()
        for message in request.messages:
            if message.tool_calls and not self._are_plain_calls(message.tool_calls, ids):
                return False
            if message.role == "tool" and message.tool_call_id not in ids:
                return False
            if self._rewrites_parts and _has_media(message):
                return False
        return not self._orders or self._is_ordered(request.messages)

    def _are_plain_calls(self, calls: Iterable[Raw], ids: set[str]) -> bool:
        """Whether tool calls need no change. Adds theirs to the `ids` so far, which must not repeat."""
        for raw in calls:
            try:
                call = _decode_plain_call(raw)
                decode_members(call.function.arguments)
            except UNREADABLE:
                return False
            if call.id in ids or not self._valid_id.fullmatch(call.id):
                return False
            ids.add(call.id)
        return True

    def _is_ordered(self, messages: Sequence[Message]) -> bool:
        previous = ""
        for message in messages:
            role = message.role
            if self._rules.assistant_after_tool and previous == "tool" and role not in ("assistant", "tool"):
                return False
            if self._rules.alternate and not _takes_turn(previous, role):
                return False
            previous = role
        return True

    def _message(self, view: Message, message: RawMessage, ids: ToolCallIds | None, lost: set[str]) -> RawMessage:
        """Return a message without what the provider rejects; empty if nothing remains of it.

        `view` is the same message as the client sent it.
        """
        role = str(msgspec.json.decode(message["role"]))
        if role == "developer" and not self._rules.developer:
            role = "system"
        message["role"] = encode_raw(role)
        rejected = self._by_role[role].reject(message)
        for name in rejected:
            value = message.pop(name)
            if name not in _ANSWER and not is_null(value):
                lost.add(name)
        for name in [name for name, value in message.items() if name != "content" and is_null(value)]:
            del message[name]
        if "tool_calls" in message:
            self._rewrite_calls(message, ids.calls(view) if ids else [])
        if role == "tool" and ids is not None:
            message["tool_call_id"] = encode_raw(ids.result_id(view))
        content = message.get("content")
        if content is not None and bytes(content).startswith(b"["):
            message["content"] = self._content(content, lost)
        if role == "assistant" and rejected and _is_empty(message):
            return {}
        return message

    def _rewrite_calls(self, message: RawMessage, sent: Sequence[SentCall]) -> None:
        """Rewrite the tool calls of a message. `sent` has their ids; it is empty if they keep the client's."""
        calls = _decode_objects(message["tool_calls"])
        if not calls:
            del message["tool_calls"]
            return
        for call in calls:
            for name in self._calls.reject(call):
                del call[name]
        for call, known in zip(calls, sent, strict=False):
            call["id"] = encode_raw(known.id)
            call["type"] = _FUNCTION
            call["function"] = encode_raw({"name": known.name, "arguments": known.called.arguments_text()})
        message["tool_calls"] = encode_raw(calls)

    def _content(self, content: Raw, lost: set[str]) -> Raw:
        parts: list[dict[str, Any]] = _decode_objects(content)
        for number, part in enumerate(parts):
            for name in self._parts.reject(part):
                del part[name]
                lost.add(name)
            if self._rules.document_url and "file" in part:
                parts[number] = document_url(part)
            elif self._rules.audio_text and "input_audio" in part:
                parts[number] = audio_text(part)
        return encode_raw(parts)


def generated_id_length(valid: re.Pattern[str]) -> int:
    """Return the number of hexadecimal digits that a valid id of a tool call may have, 32 at most; 0 for none."""
    return next((length for length in range(32, 0, -1) if valid.fullmatch(_HEX_DIGITS[:length])), 0)


def _has_custom_calls(request: ChatRequest) -> bool:
    """Whether an earlier answer called a custom tool. They only exist at OpenAI, whose ids need no change."""
    calls = (call for message in request.messages for call in message.tool_calls or ())
    return any(_decode_type(call).type == "custom" for call in calls)


def _has_media(message: Message) -> bool:
    if not isinstance(message.content, list):
        return False
    return any(part.file is not None or part.input_audio is not None for part in message.content)


def _is_empty(message: RawMessage) -> bool:
    content = message.get("content")
    has_content = content is not None and not is_null(content) and bytes(content) not in (b'""', b"[]")
    return not has_content and "tool_calls" not in message and "function_call" not in message


def _takes_turn(previous: str, role: str) -> bool:
    if role == "system":
        return previous in ("", "system")
    return role != previous or role == "tool"


def _with_assistant_after_tool(messages: Sequence[RawMessage]) -> list[RawMessage]:
    result: list[RawMessage] = []
    previous = ""
    for message in messages:
        role = _role(message)
        if previous == "tool" and role not in ("assistant", "tool"):
            result.append(_ACKNOWLEDGEMENT)
        result.append(message)
        previous = role
    return result


def _alternating(messages: Sequence[RawMessage]) -> list[RawMessage]:
    """Join the messages of one role that follow each other, and turn late system messages into those of a user."""
    result: list[RawMessage] = []
    for message in messages:
        previous = result[-1] if result else {}
        if _role(message) == "system" and previous and _role(previous) != "system":
            message["role"] = _USER
        if previous and _can_join(previous, message):
            result[-1] = {**previous, "content": _joined(previous, message)}
        else:
            result.append(message)
    return result


def _can_join(first: RawMessage, second: RawMessage) -> bool:
    role = _role(first)
    is_speech = role in ("user", "assistant") and "tool_calls" not in first and "tool_calls" not in second
    return is_speech and role == _role(second)


def _role(message: RawMessage) -> str:
    return bytes(message["role"]).strip(b'"').decode()


def _joined(first: RawMessage, second: RawMessage) -> Raw:
    contents = [msgspec.json.decode(message.get("content", _NO_TEXT)) or "" for message in (first, second)]
    if all(isinstance(content, str) for content in contents):
        return encode_raw("\n\n".join(content for content in contents if content))
    parts: list[dict[str, Any]] = []
    for content in contents:
        parts += [{"type": "text", "text": content}] if isinstance(content, str) else content
    return encode_raw(parts)
