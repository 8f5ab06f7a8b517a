"""The ids of calls, which chat needs and clients of Gemini's API often leave out.

An id that is made here depends only on what comes before it, so that a growing conversation keeps its prompt cache.
"""

from __future__ import annotations

from llms_core.dialects.gemini.request import FunctionCall, FunctionResponse


class CallIds:
    """The calls of a conversation in their order, and which of them have no result yet."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._open: list[tuple[str, str]] = []
        self._count = 0

    def begin_turn(self) -> None:
        """Begin a turn of the model: results that follow are those of its calls."""
        self._open.clear()

    def call(self, call: FunctionCall) -> str:
        """Return the id of the next call."""
        self._count += 1
        call_id = call.id or f"call_{self._count}"
        while not call.id and call_id in self._known:
            call_id += "_"
        self._known.add(call_id)
        self._open.append((call_id, call.name))
        return call_id

    def result(self, response: FunctionResponse) -> str | None:
        """Return the id of the call that a result belongs to; None if there is none.

        It is the call with the same id, or else the first one of this name without a result: some clients make ids of
        their own for results only.
        """
        for number, (call_id, _) in enumerate(self._open):
            if call_id == response.id:
                del self._open[number]
                return call_id
        for number, (call_id, name) in enumerate(self._open):
            if name == response.name:
                del self._open[number]
                return call_id
        return response.id if response.id in self._known else None
