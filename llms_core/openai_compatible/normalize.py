"""Where a provider's answer departs from OpenAI's contract: choices made as the contract has them.

The departures are those of recorded answers. What does not depart is never decoded this far.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from llms_core.contracts.chunk import ChunkChoice, ToolCallView
from llms_core.contracts.completion import FINISH_REASONS, ChoiceView, finish_reason
from llms_core.errors import ErrorKind, ProviderError


def is_odd(choice: ChoiceView) -> bool:
    """Whether a choice of a whole answer has to be mended."""
    message = choice.message
    if message is None or message.role != "assistant" or choice.finish_reason not in FINISH_REASONS:
        return True
    if choice.index is None:
        return True
    if message.tool_calls and any(not call.id or call.type is None for call in message.tool_calls):
        return True
    return len(message.content) == 0 or bytes(message.content).startswith(b"[")


def mended(choices: Raw, stem: str = "call") -> list[dict[str, Any]]:
    """The choices of a whole answer, mended. What it calls tool calls that have no id begins with `stem`.

    Raises ProviderError where there is no message, or the answer was broken off.
    """
    found: list[dict[str, Any]] = msgspec.json.decode(choices)
    for place, choice in enumerate(found):
        choice["index"] = place if choice.get("index") is None else choice["index"]
        message = choice.get("message")
        if not isinstance(message, dict):
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The answer is not a chat completion: a choice has no message")
        message["role"] = "assistant"
        message.setdefault("content", None)
        _flatten(message)
        calls = [call for call in message.get("tool_calls") or () if isinstance(call, dict)]
        for number, call in enumerate(calls):
            call["id"] = call.get("id") or f"{stem}_{choice['index']}_{number}"
            call["type"] = call.get("type") or "function"
        choice["finish_reason"] = _finish(choice.get("finish_reason")) or ("tool_calls" if calls else "stop")
    return found


class ChunkMender:
    """Mends the chunks of one stream. What it calls tool calls that have no id begins with `stem`."""

    def __init__(self, stem: str = "call"):
        self._begun: set[int] = set()
        self._calls = _ToolCalls(stem)

    def has_begun(self, index: int) -> bool:
        """Whether a choice has begun: pieces of text that follow need no mending."""
        return index in self._begun

    def mended(self, views: Sequence[ChunkChoice], choices: Raw) -> list[dict[str, Any]] | None:
        """A chunk's choices, mended; None where none of them departs. To be asked of each chunk in turn."""
        faults: list[tuple[bool, bool, bool]] = []
        departs = False
        for view in views:
            first = view.index not in self._begun
            odd, plain = _is_odd_delta(view, first), self._calls.are_plain(view)
            self._begun.add(view.index)
            faults.append((first, odd, plain))
            departs = departs or odd or not plain
        if not departs:
            return None
        found: list[dict[str, Any]] = msgspec.json.decode(choices)
        for choice, (first, odd, plain) in zip(found, faults, strict=True):
            if odd:
                delta = choice["delta"] = choice.get("delta") or {}
                if first:
                    delta["role"] = "assistant"
                else:
                    delta.pop("role", None)
                _flatten(delta)
                choice["finish_reason"] = _finish(choice.get("finish_reason"))
            if not plain:
                for call in choice["delta"]["tool_calls"]:
                    self._calls.mend(call, choice.get("index", 0))
        return found


def _is_odd_delta(choice: ChunkChoice, first: bool) -> bool:
    """A role belongs to the first delta alone: OpenAI's own client would join it to the one before."""
    delta = choice.delta
    if delta is None or isinstance(delta.content, list):
        return True
    if delta.role != ("assistant" if first else None):
        return True
    return choice.finish_reason is not None and choice.finish_reason not in FINISH_REASONS


class _ToolCalls:
    """The tool calls of one stream by number: from 0 on in each choice, in the order in which they begin (SR-056).

    A fragment that begins a call has an id, a type and a name; one that goes on has none of them, because clients join
    what they get twice. Some servers give all calls the same index, some give none, or say the id with every fragment.
    """

    def __init__(self, stem: str):
        self._stem = stem
        self._count: dict[int, int] = {}
        self._numbers: dict[tuple[int, int], int] = {}  # (choice, the provider's index) -> number
        self._begun: dict[tuple[int, int], tuple[str, bool]] = {}  # (choice, number) -> its id, whether it has a name

    def are_plain(self, choice: ChunkChoice) -> bool:
        """Whether a choice's fragments are as OpenAI's are; if so, they are counted."""
        calls = choice.delta.tool_calls if choice.delta is not None else None
        if not calls:
            return True
        count = self._count.get(choice.index, 0)
        begun: dict[int, ToolCallView] = {}
        for call in calls:
            index = call.index
            if index is None:
                return False
            if call.id:
                if index != count + len(begun) or not call.type:
                    return False
                begun[index] = call
            else:
                known = index in begun or self._numbers.get((choice.index, index)) == index
                if not known or call.id is not UNSET or _name(call) is not UNSET:
                    return False
        for index, call in begun.items():
            self._begin(choice.index, index, str(call.id), bool(_name(call)))
        return True

    def mend(self, call: dict[str, Any], choice: int) -> None:
        """Number a fragment, and leave out what was said before."""
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        name, index = function.get("name"), call.get("index")
        number = self._going_on(choice, index, call.get("id"), name)
        if number is None:
            number = self._count.get(choice, 0)
            call["id"] = call.get("id") or f"{self._stem}_{choice}_{number}"
            call["type"] = call.get("type") or "function"
            self._begin(choice, number if index is None else index, call["id"], bool(name))
        else:
            call.pop("id", None)
            known, named = self._begun[choice, number]
            if named or not name:
                function.pop("name", None)
            self._begun[choice, number] = known, named or bool(name)
        call["index"] = number

    def _begin(self, choice: int, index: int, id: str, named: bool) -> None:
        number = self._count.get(choice, 0)
        self._count[choice] = number + 1
        self._numbers[choice, index] = number
        self._begun[choice, number] = id, named

    def _going_on(self, choice: int, index: int | None, id: str | None, name: str | None) -> int | None:
        """The number of the call that a fragment goes on with; None where it begins one."""
        last = self._count.get(choice, 0) - 1
        number = last if index is None else self._numbers.get((choice, index), -1)
        if number < 0:
            return None
        known, named = self._begun[choice, number]
        if id == known or not (name or (id and index is None)):
            return number
        return None if named or id else number


def _name(call: ToolCallView) -> str | UnsetType | None:
    return call.function.name if call.function is not None else UNSET


def _flatten(message: dict[str, Any]) -> None:
    """Content that is a list of parts (Mistral's reasoning models) as a string, its thinking as reasoning_content."""
    parts = message.get("content")
    if not isinstance(parts, list):
        return
    texts: list[str] = []
    thoughts: list[str] = []
    for part in parts:
        if isinstance(part, dict) and part.get("type") == "thinking":
            inner = part.get("thinking")
            pieces = inner if isinstance(inner, list) else [{"text": inner}]
            thoughts += [str(piece.get("text") or "") for piece in pieces if isinstance(piece, dict)]
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            texts.append(part["text"])
    message["content"] = "".join(texts)
    if thoughts:
        message.setdefault("reasoning_content", "".join(thoughts))


def _finish(reason: str | None) -> str | None:
    if not reason:
        return None
    known = finish_reason(reason)
    if known is None:
        raise ProviderError(ErrorKind.BAD_RESPONSE, f"The provider broke off its answer: finish_reason '{reason}'")
    return known
