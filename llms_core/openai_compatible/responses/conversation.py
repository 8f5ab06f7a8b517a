"""The messages of a chat request as items."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from llms_core.contracts.content import text_of
from llms_core.contracts.function_names import FunctionNames
from llms_core.contracts.json import UNREADABLE
from llms_core.contracts.request import ChatCall, CommonToolCall, Message
from llms_core.contracts.signatures import Owner
from llms_core.contracts.tool_call_ids import ToolCallIds
from llms_core.contracts.tools import called
from llms_core.errors import Unsupported
from llms_core.openai_compatible.responses.originals import Originals, originals, text_of_items
from llms_core.openai_compatible.responses.parts import content_of
from llms_core.openai_compatible.responses.views import CALLS, Json

#: Which ids of calls OpenAI accepts.
_CALL_ID = re.compile(r"(?s:.{1,64})")

_REFUSAL = re.compile(rb'"refusal"\s*:\s*"')


class _Custom(msgspec.Struct):
    name: str
    input: str = ""


class _CustomCall(msgspec.Struct):
    id: str
    custom: _Custom | None = None
    type: str | None = None


class _Refusal(msgspec.Struct):
    refusal: str | None = None


_decode_custom_call = msgspec.json.Decoder(_CustomCall).decode
_decode_refusals = msgspec.json.Decoder(list[_Refusal]).decode


class Conversation:
    """Translates the messages of one request. `owner` is the model that gets them, `names` are those it accepts.

    `developer` tells whether the provider knows this role, `with_reasoning` whether earlier reasoning is sent back.
    """

    def __init__(
        self,
        call: ChatCall,
        owner: Owner,
        names: FunctionNames,
        *,
        developer: bool,
        with_reasoning: bool,
    ):
        self._call = call
        self._owner = owner
        self._names = names
        self._developer = developer
        self._with_reasoning = with_reasoning
        # Custom tools exist at OpenAI only, whose ids are in order.
        self._custom_calls = _custom_calls(call)
        self._ids = ToolCallIds(_CALL_ID)
        self._refusals = _refusals(call)

    def items(self) -> list[Json]:
        """Return the items. Raises Unsupported or RequestError, which name the message."""
        items: list[Json] = []
        for number, message in enumerate(self._call.request.messages):
            param = f"messages[{number}]"
            match message.role:
                case "system" | "developer" as role:
                    role = role if self._developer else "system"
                    items.append(
                        {"role": role, "content": content_of(message.content, f"{param}.content")}
                    )
                case "user":
                    items.append(
                        {"role": "user", "content": content_of(message.content, f"{param}.content")}
                    )
                case "assistant":
                    items += self._answer(message, number)
                case "tool":
                    items.append(self._result(message, param))
                case "function":
                    reason = (
                        "Messages of the role 'function' are not supported by the Responses API"
                    )
                    raise Unsupported(reason, param=f"{param}.role")
        return items

    def _answer(self, message: Message, number: int) -> list[Json]:
        """Return the items of an earlier answer: the original ones, if the client sent them back unchanged."""
        text = text_of(message.content) or self._refusals[number]
        calls = self._calls(message)
        found = originals(message.provider_extra, self._owner)
        if not self._with_reasoning:
            found = Originals(
                [item for item in found.items if item["type"] != "reasoning"], found.phase
            )
        rebuilt = calls
        if text:
            answer: Json = {"role": "assistant", "content": text}
            if found.phase is not None:
                answer["phase"] = found.phase
            rebuilt = [answer, *calls]
        if not found.is_whole:
            # Nothing may stand alone that belongs to what follows it.
            return [*found.items, *rebuilt] if rebuilt else []
        if _is_unchanged(found, text, calls):
            return list(found.items)
        # The client edited the message. The reasoning remains valid, the rest of the original does not.
        return [*found.reasoning, *rebuilt] if rebuilt else []

    def _calls(self, message: Message) -> list[Json]:
        if self._custom_calls is not None:
            return [self._own_call(raw) for raw in message.tool_calls or ()]
        calls = []
        for sent in self._ids.calls(message):
            call = {
                "type": "function_call",
                "call_id": sent.id,
                "name": self._names.to_provider(sent.name),
                "arguments": sent.called.arguments_text(),
            }
            calls.append(call)
        return calls

    def _own_call(self, raw: Raw | CommonToolCall) -> Json:
        """Return a call of a conversation with custom tools, under its own id."""
        custom = _custom_call(raw)
        if custom is not None and custom.custom is not None:
            given = custom.custom
            return {
                "type": "custom_tool_call",
                "call_id": custom.id,
                "name": given.name,
                "input": given.input,
            }
        message = Message(role="assistant", tool_calls=[raw])  # type: ignore[list-item]
        (sent,) = called(message)
        return {
            "type": "function_call",
            "call_id": sent.id,
            "name": self._names.to_provider(sent.function.name),
            "arguments": sent.arguments_text(),
        }

    def _result(self, message: Message, param: str) -> Json:
        if self._custom_calls is None:
            kind = "function_call_output"
            call_id = self._ids.result_id(message)
        else:
            call_id = message.tool_call_id or ""
            kind = "function_call_output"
            if call_id in self._custom_calls:
                kind = "custom_tool_call_output"
        return {
            "type": kind,
            "call_id": call_id,
            "output": content_of(message.content, f"{param}.content"),
        }


def _is_unchanged(found: Originals, text: str, calls: Sequence[Json]) -> bool:
    """Whether a message still has the text and the calls of its original items."""
    original_ids = [item.get("call_id") for item in found.items if item["type"] in CALLS]
    return text_of_items(found.items) == text and original_ids == [
        call["call_id"] for call in calls
    ]


def _custom_calls(call: ChatCall) -> frozenset[str] | None:
    """Return the ids of the calls of custom tools; None if the conversation has none."""
    if b'"custom"' not in bytes(call.members["messages"]):
        return None
    found = set()
    for message in call.request.messages:
        for raw in message.tool_calls or ():
            custom = _custom_call(raw)
            if custom is not None:
                found.add(custom.id)
    if found:
        return frozenset(found)
    return None


def _custom_call(raw: Raw | CommonToolCall) -> _CustomCall | None:
    if isinstance(raw, CommonToolCall):
        return None
    try:
        call = _decode_custom_call(raw)
    except UNREADABLE:
        return None
    if call.type == "custom" and call.custom is not None:
        return call
    return None


def _refusals(call: ChatCall) -> Sequence[str]:
    """Return the refusal of each message, which is empty for nearly all."""
    raw: Any = call.members["messages"]
    if _REFUSAL.search(raw) is None:
        return [""] * len(call.request.messages)
    try:
        return [each.refusal or "" for each in _decode_refusals(raw)]
    except UNREADABLE:
        return [""] * len(call.request.messages)
