"""The answers in memory, bounded by their bytes and their age."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from llms_core.operations import Answer

#: What an entry takes beside its answer, about.
_ENTRY_BYTES = 500


class _Entry(NamedTuple):
    answer: Answer
    stored: float


class Store:
    """Answers by key. The one that has not been used for the longest time goes first."""

    def __init__(self, *, max_age: float, max_bytes: int):
        self._max_age = max_age
        self.max_bytes = max_bytes
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._bytes = 0

    def find(self, key: bytes, now: float) -> Answer | None:
        """Return an answer that is not too old; `now` is in seconds."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now - entry.stored > self._max_age:
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return entry.answer

    def add(self, key: bytes, answer: Answer, now: float) -> None:
        """Store an answer, in place of those that have not been used for long."""
        if _size(answer) > self.max_bytes:
            return
        self._remove(key)
        self._entries[key] = _Entry(answer, now)
        self._bytes += _size(answer)
        while self._bytes > self.max_bytes:
            self._remove(next(iter(self._entries)))

    def _remove(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= _size(entry.answer)


def _size(answer: Answer) -> int:
    return len(answer.data) + _ENTRY_BYTES
