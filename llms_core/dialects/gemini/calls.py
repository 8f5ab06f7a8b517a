"""The ids of calls, which chat needs and clients of Gemini's API often leave out.

An id that is made here depends only on what comes before it, so that a growing conversation keeps its prompt cache.
"""

from __future__ import annotations

from collections import deque

from llms_core.dialects.gemini.request import FunctionCall, FunctionResponse


class _Call:
    """A call of the current turn."""

    def __init__(self, id: str):
        self.id = id
        self.has_result = False


class _Waiting(dict[str, deque[_Call]]):
    """Calls without a result, by id or by name, in their order. One that got its result is still in the other queue."""

    def add(self, key: str, call: _Call) -> None:
        self.setdefault(key, deque()).append(call)

    def take(self, key: str | None) -> _Call | None:
        """Remove and return the first call; None if there is none."""
        queue = self.get(key or "", ())
        while queue:
            call = queue.popleft()
            if not call.has_result:
                call.has_result = True
                return call
        return None


class CallIds:
    """The calls of a conversation in their order, and which of them have no result yet."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._count = 0
        self.begin_turn()

    def begin_turn(self) -> None:
        """Begin a turn of the model: results that follow are those of its calls."""
        self._by_id = _Waiting()
        self._by_name = _Waiting()

    def call(self, call: FunctionCall) -> str:
        """Return the id of the next call."""
        self._count += 1
        call_id = call.id or f"call_{self._count}"
        while not call.id and call_id in self._known:
            call_id += "_"
        self._known.add(call_id)
        waiting = _Call(call_id)
        self._by_id.add(call_id, waiting)
        self._by_name.add(call.name, waiting)
        return call_id

    def result(self, response: FunctionResponse) -> str | None:
        """Return the id of the call that a result belongs to; None if there is none.

        It is the call with the same id, or else the first one of this name without a result: some clients make ids of
        their own for results only.
        """
        call = self._by_id.take(response.id) or self._by_name.take(response.name)
        if call is not None:
            return call.id
        return response.id if response.id in self._known else None
