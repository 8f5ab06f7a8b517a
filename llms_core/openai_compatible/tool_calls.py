"""Normalizes the tool calls of a stream, which providers number and identify in many ways (SR-056)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from llms_core.contracts.building import arguments_text
from llms_core.contracts.chunk import ChunkChoice, ToolCallView
from llms_core.contracts.tool_call_ids import AnswerCallIds


class _StartedCall(msgspec.Struct):
    """A tool call whose first fragment has come."""

    #: its place among the calls of its choice, from 0
    number: int
    #: the provider's; empty if it sent none
    id: str
    #: empty until a fragment has it
    name: str
    has_arguments: bool = False


class ToolCallNormalizer:
    """Numbers the tool calls of each choice from 0, in the order in which they begin.

    The first fragment of a call has a unique id, a type and a name. Later ones have none of them, because clients
    concatenate what they receive twice. Some servers use the same index or the same id for all calls, some send none,
    and some repeat the id or the name with every fragment.
    """

    def __init__(self, ids: AnswerCallIds):
        self._ids = ids
        #: choice -> its calls, by number
        self._started: dict[int, list[_StartedCall]] = {}
        #: (choice, the provider's index) -> the latest call that began with that index
        self._by_index: dict[tuple[int, int], _StartedCall] = {}

    def conforms(self, choice: ChunkChoice) -> bool:
        """Whether a chunk's fragments are as OpenAI sends them. If so, the calls that begin in it are recorded."""
        if choice.delta is None or not choice.delta.tool_calls:
            return True
        fragments = choice.delta.tool_calls
        started_before = len(self._started.get(choice.index, ()))
        # Fragments that begin a call, in the order of their numbers
        starting: list[ToolCallView] = []
        for fragment in fragments:
            if not _arguments_are_text(fragment):
                return False
            if fragment.id:
                if fragment.index != started_before + len(starting) or not fragment.type:
                    return False
                if not self._ids.is_new(fragment.id):
                    return False
                starting.append(fragment)
            elif not self._is_plain_continuation(choice.index, fragment, starting):
                return False
        if len({fragment.id for fragment in starting}) < len(starting):
            return False
        for number, fragment in enumerate(starting, start=started_before):
            self._ids.unique(str(fragment.id))
            self._start(choice.index, number, str(fragment.id), _name(fragment) or "")
        for fragment in fragments:
            if _has_arguments(fragment):
                self._started[choice.index][fragment.index or 0].has_arguments = True
        return True

    def lacks_arguments(self, choice: int) -> bool:
        """Whether a call of a choice has had no arguments yet."""
        return not all(call.has_arguments for call in self._started.get(choice, ()))

    def complete_arguments(self, choice: int) -> list[dict[str, Any]]:
        """Return fragments with the arguments of the calls that have had none: an empty text is not JSON (SR-056)."""
        fragments = []
        for call in self._started.get(choice, ()):
            if not call.has_arguments:
                call.has_arguments = True
                fragments.append({"index": call.number, "function": {"arguments": "{}"}})
        return fragments

    def normalize(self, fragment: dict[str, Any], choice: int) -> None:
        """Number a fragment, complete it if it begins a call, and otherwise remove what was sent before."""
        function = fragment.get("function")
        if not isinstance(function, dict):
            function = fragment["function"] = {}
        name = function.get("name")
        index = fragment.get("index")
        call = self._continued(choice, index, fragment.get("id"), name)
        if call is None:
            number = len(self._started.get(choice, ()))
            own_id = fragment.get("id") or ""
            fragment["id"] = self._ids.unique(own_id)
            fragment["type"] = fragment.get("type") or "function"
            if index is None:
                index = number
            call = self._start(choice, index, own_id, name or "")
        else:
            fragment.pop("id", None)
            if call.name or not name:
                function.pop("name", None)
            else:
                call.name = name
        fragment["index"] = call.number
        arguments = function.get("arguments")
        if arguments is None:
            function["arguments"] = ""
        elif not isinstance(arguments, str):
            function["arguments"] = arguments_text(arguments)
        if function["arguments"]:
            call.has_arguments = True

    def _is_plain_continuation(
        self, choice: int, fragment: ToolCallView, starting: list[ToolCallView]
    ) -> bool:
        """Whether a fragment without an id continues a call by its number, and repeats neither id nor name.

        `starting` are the fragments of the same chunk that begin a call.
        """
        if fragment.index is None or fragment.id is not UNSET or _name(fragment) is not UNSET:
            return False
        call = self._by_index.get((choice, fragment.index))
        if call is not None and call.number == fragment.index:
            return True
        return any(first.index == fragment.index for first in starting)

    def _start(self, choice: int, index: int, id: str, name: str) -> _StartedCall:
        """Record a call that begins with the provider's `index`."""
        calls = self._started.setdefault(choice, [])
        call = _StartedCall(number=len(calls), id=id, name=name)
        calls.append(call)
        self._by_index[choice, index] = call
        return call

    def _continued(
        self, choice: int, index: int | None, id: str | None, name: str | None
    ) -> _StartedCall | None:
        """Return the call that a fragment continues; None if it begins one."""
        call = self._find(choice, index)
        if call is None:
            return None
        is_of_other_function = bool(name and call.name and name != call.name)
        if id and id == call.id and not is_of_other_function:
            return call
        has_new_id_and_no_index = bool(id) and index is None
        if not name and not has_new_id_and_no_index:
            # Without a name it only adds arguments. An id is ignored here: some servers make up one per fragment.
            return call
        # A second id or name at the same index begins another call: some servers use index 0 for all of them.
        if call.name or id:
            return None
        return call

    def _find(self, choice: int, index: int | None) -> _StartedCall | None:
        """Return the call at the provider's index, or the latest one if it sends no index."""
        if index is not None:
            return self._by_index.get((choice, index))
        calls = self._started.get(choice)
        if not calls:
            return None
        return calls[-1]


def _arguments_are_text(fragment: ToolCallView) -> bool:
    """Whether a fragment's arguments are a string, or absent where a call continues."""
    if fragment.function is None or not fragment.function.arguments:
        return not fragment.id
    return bytes(fragment.function.arguments).startswith(b'"')


def _has_arguments(fragment: ToolCallView) -> bool:
    # The quotes alone are two bytes.
    return fragment.function is not None and len(fragment.function.arguments) > 2


def _name(fragment: ToolCallView) -> str | UnsetType | None:
    """Return the function's name; UNSET if the fragment has no function or the function no name."""
    if fragment.function is None:
        return UNSET
    return fragment.function.name
