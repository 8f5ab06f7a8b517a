"""Rewrites the messages of a request for a provider that accepts less than OpenAI does, or something else.

A conversation may have begun with another model: its answers come back with members of that model's provider, and with
that provider's ids of tool calls. What a provider accepts is data: the RequestRules of its spec.

A message that needs no change is passed on as the client's bytes. Most requests have no other, and most of those are
recognized by their type alone (PlainChatRequest).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Raw

from llms_core.contracts.json import UNREADABLE, decode_members, encode_raw, is_null
from llms_core.contracts.request import ChatRequest, Message, PlainChatRequest
from llms_core.contracts.tool_call_ids import ANY_ID, SentCall, ToolCallIds
from llms_core.openai_compatible.accepted import OWN_MEMBERS, Accepted
from llms_core.openai_compatible.parts import document_url
from llms_core.openai_compatible.turns import RawMessage, is_ordered, ordered
from llms_core.provider import RequestRules

#: Members of answers, of OpenAI's or other providers'. Their loss is not reported: the client did not set them.
_OF_ANSWERS = OWN_MEMBERS | {"annotations", "audio", "images", "index", "reasoning", "reasoning_details", "refusal"}

#: Dropped members that are reported to the client: only names as of parameters, and so few that a header has room.
_REPORTED_NAME = re.compile(r"[a-z_]{1,32}")
_MAX_REPORTED = 8

_FUNCTION = encode_raw("function")
_SYSTEM = encode_raw("system")

_HEX_DIGITS = "0123456789abcdef" * 2

_decode_messages = msgspec.json.Decoder(list[RawMessage]).decode
_decode_objects = msgspec.json.Decoder(list[dict[str, Raw]]).decode


class _Typed(msgspec.Struct):
    type: str | None = None


_decode_type = msgspec.json.Decoder(_Typed).decode


class Conversation:
    """Rewrites the messages of requests by a provider's rules."""

    def __init__(self, rules: RequestRules):
        self._rules = rules
        self._accepted = Accepted(rules)
        self._valid_id = re.compile(rules.tool_call_id) if rules.tool_call_id else ANY_ID
        self._id_length = generated_id_length(self._valid_id)
        self._orders = rules.alternate or rules.assistant_after_tool

    def rewritten(self, request: ChatRequest, messages: Raw) -> tuple[Raw, list[str]]:
        """Return the messages as the provider accepts them, and the names of members that the client set in vain.

        Raises Unsupported for a file that cannot be translated, and RequestError for a tool call without a function.
        """
        if self._conforms(request, messages):
            return messages, []
        lost: set[str] = set()
        ids = None if _has_custom_calls(request) else ToolCallIds(self._valid_id, length=self._id_length)
        pairs = zip(request.messages, _decode_messages(messages), strict=True)
        rewritten = [self._rewrite(view, message, ids, lost) for view, message in pairs]
        kept = ordered([message for message in rewritten if message], self._rules)
        reported = sorted(name for name in lost if _REPORTED_NAME.fullmatch(name))
        return encode_raw(kept), [f"messages.{name}" for name in reported[:_MAX_REPORTED]]

    def _conforms(self, request: ChatRequest, messages: Raw) -> bool:
        """Whether no message needs a change."""
        if not isinstance(request, PlainChatRequest):
            try:
                self._accepted.decode_messages(messages)
            except UNREADABLE:
                return False
        ids: set[str] = set()
        for message in request.messages:
            if message.tool_calls and not self._are_accepted(message.tool_calls, ids):
                return False
            if message.role == "tool" and message.tool_call_id not in ids:
                return False
            if self._rules.document_url and _has_file(message):
                return False
        return not self._orders or is_ordered(request.messages, self._rules)

    def _are_accepted(self, calls: Iterable[Raw], ids: set[str]) -> bool:
        """Whether tool calls need no change. Adds theirs to the `ids` so far, which must not repeat."""
        for raw in calls:
            try:
                call = self._accepted.decode_tool_call(raw)
                decode_members(call.function.arguments)
            except UNREADABLE:
                return False
            if call.id in ids or not self._valid_id.fullmatch(call.id):
                return False
            ids.add(call.id)
        return True

    def _rewrite(self, view: Message, message: RawMessage, ids: ToolCallIds | None, lost: set[str]) -> RawMessage:
        """Return a message without what the provider rejects; empty if nothing remains of it.

        `view` is the same message as the client sent it. The names of lost members are added to `lost`.
        """
        role = view.role
        if role == "developer" and not self._rules.developer:
            role = "system"
            message["role"] = _SYSTEM
        rejected = self._accepted.by_role[role].rejected(message)
        for name in rejected:
            value = message.pop(name)
            if name not in _OF_ANSWERS and not is_null(value):
                lost.add(name)
        for name in [name for name, value in message.items() if name != "content" and is_null(value)]:
            del message[name]
        if "tool_calls" in message:
            self._rewrite_calls(message, ids.calls(view) if ids else [])
        if role == "tool" and ids is not None:
            message["tool_call_id"] = encode_raw(ids.result_id(view))
        if isinstance(view.content, list):
            message["content"] = self._content(message["content"], lost)
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
            for name in self._accepted.tool_calls.rejected(call):
                del call[name]
        for call, known in zip(calls, sent, strict=False):
            call["id"] = encode_raw(known.id)
            call["type"] = _FUNCTION
            call["function"] = encode_raw({"name": known.name, "arguments": known.called.arguments_text()})
        message["tool_calls"] = encode_raw(calls)

    def _content(self, content: Raw, lost: set[str]) -> Raw:
        parts = _decode_objects(content)
        for number, part in enumerate(parts):
            for name in self._accepted.parts.rejected(part):
                del part[name]
                lost.add(name)
            if self._rules.document_url and "file" in part:
                parts[number] = document_url(part)
        return encode_raw(parts)


def generated_id_length(valid: re.Pattern[str]) -> int:
    """Return the number of hexadecimal digits that a valid id of a tool call may have, 32 at most; 0 for none."""
    return next((length for length in range(32, 0, -1) if valid.fullmatch(_HEX_DIGITS[:length])), 0)


def _has_custom_calls(request: ChatRequest) -> bool:
    """Whether an earlier answer called a custom tool. They only exist at OpenAI, whose ids need no change."""
    calls = (call for message in request.messages for call in message.tool_calls or ())
    return any(_is_custom(call) for call in calls)


def _is_custom(call: Raw) -> bool:
    try:
        return _decode_type(call).type == "custom"
    except UNREADABLE:
        return False


def _has_file(message: Message) -> bool:
    return isinstance(message.content, list) and any(part.file is not None for part in message.content)


def _is_empty(message: RawMessage) -> bool:
    content = message.get("content")
    has_content = content is not None and not is_null(content) and bytes(content) not in (b'""', b"[]")
    return not has_content and "tool_calls" not in message and "function_call" not in message
