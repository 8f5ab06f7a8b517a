"""The ids of tool calls: unique within a conversation, and valid for the provider that receives it.

A conversation may have been started by another model. Its ids may be empty, repeat from turn to turn or within one
turn, or have a form that the next provider rejects. Ids in answers have the same faults.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeGuard

import msgspec
from msgspec import Raw

from llms_core.contracts.json import UNREADABLE
from llms_core.contracts.request import ChatCall, ChatRequest, CommonChatRequest, Message
from llms_core.contracts.tools import Called, called

#: Any id but an empty one.
ANY_ID = re.compile(r".+", re.DOTALL)

#: The ids that Claude and many other models accept.
COMMON_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")

#: Characters that some provider rejects in ids.
_UNUSUAL = re.compile(r"[^a-zA-Z0-9_-]")

#: The number of digits in the replacement of an id.
_DEFAULT_LENGTH = 32


class SentCall(msgspec.Struct):
    """A tool call of an earlier answer, as the provider will receive it."""

    #: valid for the provider, and unique
    id: str
    #: as the client sent it
    called: Called
    #: its place among the calls of the conversation, from 0
    number: int
    is_answered: bool = False

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.called.function.name


class _Key(NamedTuple):
    """What a result may refer to a call by."""

    kind: Literal["id", "name", "order"]
    value: str = ""


class ToolCallIds:
    """Assigns an id to each tool call of a conversation, and each result to its call.

    To be called with the messages in order. What it returns for a message depends only on the messages before it, so
    that a growing conversation is sent with the same ids again and stays in the provider's prompt cache.

    `valid` has to match a whole id. In an id that does not match, unusual characters are replaced. If that does not
    help, or an earlier call has the id, it is replaced by `length` hexadecimal digits, which have to match.
    """

    def __init__(self, valid: re.Pattern[str] = ANY_ID, *, length: int = _DEFAULT_LENGTH):
        self._valid = valid
        self._length = length
        self._used: set[str] = set()
        #: how often each of the client's ids was replaced
        self._replaced: dict[str, int] = {}
        self._count = 0
        # The calls of the latest turn that have no result yet, by what a result may refer to them by.
        self._waiting: dict[_Key, deque[SentCall]] = {}
        #: the last call with each of the client's ids
        self._latest: dict[str, SentCall] = {}

    def calls(self, message: Message) -> list[SentCall]:
        """Return the calls of an assistant's message."""
        sent = [self._add(call) for call in called(message)]
        if sent:
            self._waiting.clear()
        for call in sent:
            for key in (_Key("id", call.called.id), _Key("name", call.name), _Key("order")):
                self._waiting.setdefault(key, deque()).append(call)
        return sent

    def result(self, message: Message) -> SentCall | None:
        """Return the call that a message with a tool's result belongs to; None if there is no such call.

        Results of calls that share an id belong to them in order. A result without an id belongs to the next call of
        the function that it names, or to the next one of all.
        """
        for key in self._keys_of_result(message.tool_call_id or "", message.name):
            call = self._next_waiting(key)
            if call is not None:
                call.is_answered = True
                return call
        # A second result of a call, or a late one.
        return self._latest.get(message.tool_call_id or "")

    def result_id(self, message: Message) -> str:
        """Return the id that a message with a tool's result refers to, even if it belongs to no call."""
        call = self.result(message)
        if call is None:
            return self.orphan_id(message)
        return call.id

    def orphan_id(self, message: Message) -> str:
        """Return a valid id for a message with a tool's result that belongs to no call."""
        own_id = message.tool_call_id or ""
        if self._valid.fullmatch(own_id):
            return own_id
        return self._digest(own_id, 0)

    def _add(self, called: Called) -> SentCall:
        call = SentCall(self._unique(called.id), called, self._count)
        self._count += 1
        self._latest[called.id] = call
        return call

    def _keys_of_result(self, id: str, name: str | None) -> Iterator[_Key]:
        if id and id in self._latest:
            yield _Key("id", id)
            return
        if name and not id:
            yield _Key("name", name)
        # If the client gave ids only to its results, they belong to calls without one.
        yield _Key("id")
        if not id:
            yield _Key("order")

    def _next_waiting(self, key: _Key) -> SentCall | None:
        waiting = self._waiting.get(key)
        while waiting:
            call = waiting.popleft()
            if not call.is_answered:
                return call
        return None

    def _unique(self, id: str) -> str:
        for candidate in (id, _UNUSUAL.sub("_", id)):
            if candidate not in self._used and self._valid.fullmatch(candidate):
                self._used.add(candidate)
                return candidate
        attempt = self._replaced.get(id, 0)
        while (replacement := self._digest(id, attempt)) in self._used:
            attempt += 1
        self._replaced[id] = attempt + 1
        self._used.add(replacement)
        return replacement

    def _digest(self, id: str, attempt: int) -> str:
        return hashlib.sha256(f"{attempt} {id}".encode()).hexdigest()[: self._length]


class AnswerCallIds:
    """The ids of the tool calls in one answer: none is empty, and none repeats one of the answer or the conversation.

    Some servers number the calls of each answer anew, give two calls the same id, or none.
    """

    def __init__(self, call: ChatCall):
        self._id_of_call = call.id.removeprefix("chatcmpl-")
        self._request = call.request
        #: those of the conversation; None until the first tool call, because most answers have none
        self._earlier: set[str] | None = None
        self._used: set[str] = set()
        self._made_up = 0

    def unique(self, id: object) -> str:
        """Return the provider's id, or a new one if it cannot be used. To be called once for each tool call.

        An id that is not a text cannot be used.
        """
        unique = id
        while not self.is_new(unique):
            # The request's id makes it unique. OpenAI rejects ids of over 40 characters when they are sent back.
            unique = f"call_{self._id_of_call}_{self._made_up}"
            self._made_up += 1
        self._used.add(unique)
        return unique

    def is_new(self, id: object) -> TypeGuard[str]:
        """Whether a tool call may have this id."""
        if self._earlier is None:
            self._earlier = ids_in_conversation(self._request)
        return isinstance(id, str) and id != "" and id not in self._used and id not in self._earlier


class _Identified(msgspec.Struct):
    id: str = ""


_decode_id = msgspec.json.Decoder(_Identified).decode


def ids_in_conversation(request: ChatRequest) -> set[str]:
    """Return the ids of all tool calls in a request's messages."""
    ids: set[str] = set()
    if isinstance(request, CommonChatRequest):
        for common_message in request.messages:
            ids.update(call.id for call in common_message.tool_calls or ())
        return ids
    for message in request.messages:
        ids.update(map(_id_of, message.tool_calls or ()))
    return ids


def _id_of(raw: Raw) -> str:
    try:
        return _decode_id(raw).id
    except UNREADABLE:
        # It is not for the answer to report an invalid request.
        return ""
