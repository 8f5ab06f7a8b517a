"""Rewrites the messages of a request for a provider that accepts less than OpenAI does, or something else.

A conversation may have begun with another model: its answers come back with members of that model's provider, and with
that provider's ids of tool calls. What a provider accepts is data: the RequestRules of its spec.

A message that needs no change is passed on as the client's bytes. Most requests have no other, and most of those are
recognized by their type alone (CommonChatRequest).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from llms_core.contracts.json import UNREADABLE, encode_raw, is_null
from llms_core.contracts.request import ChatRequest, CommonChatRequest, CommonToolCall, Message
from llms_core.contracts.tool_call_ids import ANY_ID, SentCall, ToolCallIds
from llms_core.openai_compatible.accepted import OWN_MEMBERS, Accepted
from llms_core.openai_compatible.parts import document_url
from llms_core.openai_compatible.tool_media import has_tool_media, without_tool_media
from llms_core.openai_compatible.turns import RawMessage, is_ordered, ordered
from llms_core.provider import RequestRules

#: Members of answers, of OpenAI's or other providers'. Their loss is not reported: the client did not set them.
_OF_ANSWERS = OWN_MEMBERS | {
    "annotations",
    "audio",
    "images",
    "index",
    "reasoning",
    "reasoning_details",
    "refusal",
}

#: Dropped members that are reported to the client: only names as of parameters, and so few that a header has room.
_REPORTED_NAME = re.compile(r"[a-z0-9_]{1,32}")
_MAX_REPORTED = 8

_FUNCTION = encode_raw("function")
_SYSTEM = encode_raw("system")

_HEX_DIGITS = "0123456789abcdef" * 2

_decode_messages = msgspec.json.Decoder(list[RawMessage]).decode
_decode_objects = msgspec.json.Decoder(list[dict[str, Raw]]).decode


class _Typed(msgspec.Struct):
    type: str | None = None


_decode_type = msgspec.json.Decoder(_Typed).decode


class _Object(msgspec.Struct):
    """Any JSON object."""


_check_object = msgspec.json.Decoder(_Object).decode


class _CallRepair:
    """Gives the tool calls of a conversation ids that are unique and valid.

    If there are calls of custom tools, all keep their ids: custom tools only exist at OpenAI, whose ids are in order.
    """

    def __init__(self, request: ChatRequest, valid_id: re.Pattern[str], id_length: int):
        self._ids = None if _has_custom_calls(request) else ToolCallIds(valid_id, length=id_length)

    def calls(self, message: Message) -> list[SentCall]:
        """Return the calls of a message; none if they keep their ids."""
        if self._ids is None:
            return []
        return self._ids.calls(message)

    def result_id(self, message: Message) -> str:
        """Return the id of the call that a result belongs to."""
        if self._ids is None:
            return message.tool_call_id or ""
        return self._ids.result_id(message)


class Conversation:
    """Rewrites the messages of requests by a provider's rules."""

    def __init__(self, rules: RequestRules):
        self._rules = rules
        self._accepted = Accepted(rules)
        self._valid_id = re.compile(rules.tool_call_id) if rules.tool_call_id else ANY_ID
        self._is_valid_id: Callable[[str], object] = (
            self._valid_id.fullmatch if rules.tool_call_id else bool
        )
        self._id_length = generated_id_length(self._valid_id)
        #: whether more can differ than the members of messages and their tool calls
        self._is_particular = rules.document_url or rules.alternate or rules.assistant_after_tool

    def rewritten(self, request: ChatRequest, messages: Raw) -> tuple[Raw, Sequence[str]]:
        """Return the messages as the provider accepts them, and the names of members that the client set in vain.

        Raises Unsupported for a file that cannot be translated, and RequestError for a tool call without a function.
        """
        has_accepted_members = isinstance(request, CommonChatRequest) or self._has_accepted_members(
            messages
        )
        has_accepted_calls = self._has_accepted_calls(request)
        has_media = not self._rules.tool_media and any(map(has_tool_media, request.messages))
        differs = has_media or (self._is_particular and self._differs(request))
        if has_accepted_members and has_accepted_calls and not differs:
            return messages, ()
        repair = (
            None if has_accepted_calls else _CallRepair(request, self._valid_id, self._id_length)
        )
        lost: set[str] = set()
        pairs = zip(request.messages, _decode_messages(messages), strict=True)
        rewritten = [self._rewrite(view, message, repair, lost) for view, message in pairs]
        kept = [message for message in rewritten if message]
        if has_media:
            kept = without_tool_media(kept)
        kept = list(ordered(kept, self._rules))
        reported = sorted(name for name in lost if _REPORTED_NAME.fullmatch(name))
        return encode_raw(kept), [f"messages.{name}" for name in reported[:_MAX_REPORTED]]

    def _has_accepted_members(self, messages: Raw) -> bool:
        try:
            self._accepted.decode_messages(messages)
        except UNREADABLE:
            return False
        return True

    def _has_accepted_calls(self, request: ChatRequest) -> bool:
        """Whether no tool call and no result needs a change: ids are valid and unique, and results refer to them."""
        for message in request.messages:
            if message.tool_calls or message.role == "tool":
                break
        else:
            # Most conversations have no tools.
            return True
        answered_ids = {
            message.tool_call_id for message in request.messages if message.role == "tool"
        }
        try:
            calls = self._decoded_calls(request)
            for call in calls:
                _check_object(call.function.arguments)
        except UNREADABLE:
            return False
        ids = {call.id for call in calls}
        return len(ids) == len(calls) and answered_ids <= ids and all(map(self._is_valid_id, ids))

    def _decoded_calls(self, request: ChatRequest) -> list[CommonToolCall]:
        """Return all tool calls of a request. Raises one of UNREADABLE if anything in one is not accepted."""
        if isinstance(request, CommonChatRequest):
            return list(_tool_calls(request.messages))
        # One list is decoded faster than each of them.
        raw_calls = b",".join(_tool_calls(request.messages))
        return self._accepted.decode_tool_calls(b"[%b]" % raw_calls)

    def _differs(self, request: ChatRequest) -> bool:
        """Whether there is a document in another form, or a message out of order."""
        if self._rules.document_url and any(map(_has_file, request.messages)):
            return True
        return not is_ordered(request.messages, self._rules)

    def _rewrite(
        self, view: Message, message: RawMessage, repair: _CallRepair | None, lost: set[str]
    ) -> RawMessage:
        """Return a message without what the provider rejects; empty if nothing remains of it.

        `view` is the same message as the client sent it; `repair` is None if tool calls need none. The names of lost
        members are added to `lost`.
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
        for name in [
            name for name, value in message.items() if name != "content" and is_null(value)
        ]:
            del message[name]
        if repair is not None:
            if "tool_calls" in message:
                self._rewrite_calls(message, repair.calls(view))
            if role == "tool":
                message["tool_call_id"] = encode_raw(repair.result_id(view))
        elif view.tool_calls == []:
            del message["tool_calls"]
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
            call["function"] = encode_raw(
                {"name": known.name, "arguments": known.called.arguments_text()}
            )
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
    for length in range(32, 0, -1):
        if valid.fullmatch(_HEX_DIGITS[:length]):
            return length
    return 0


def _has_custom_calls(request: ChatRequest) -> bool:
    if isinstance(request, CommonChatRequest):
        return False
    return any(map(_is_custom, _tool_calls(request.messages)))


def _tool_calls(messages: Iterable[Any]) -> Iterator[Any]:
    for message in messages:
        if message.tool_calls:
            yield from message.tool_calls


def _is_custom(call: Raw) -> bool:
    try:
        return _decode_type(call).type == "custom"
    except UNREADABLE:
        return False


def _has_file(message: Message) -> bool:
    return isinstance(message.content, list) and any(
        part.file is not None for part in message.content
    )


def _is_empty(message: RawMessage) -> bool:
    content = message.get("content")
    has_content = (
        content is not None and not is_null(content) and bytes(content) not in (b'""', b"[]")
    )
    return not has_content and "tool_calls" not in message and "function_call" not in message
