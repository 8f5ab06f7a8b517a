"""What is kept in memory, bounded by its bytes and its age."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, NamedTuple, Protocol, TypeVar

#: What an entry takes beside its data, about.
_ENTRY_BYTES = 500


class Stored(Protocol):
    """What can be stored."""

    @property
    def data(self) -> bytes:
        """The bytes that count."""


Item = TypeVar("Item", bound=Stored)


class _Entry(NamedTuple, Generic[Item]):
    item: Item
    stored: float


class Store(Generic[Item]):
    """Items by key. The one that has not been used for the longest time goes first."""

    def __init__(self, *, max_age: float, max_bytes: int):
        self._max_age = max_age
        self.max_bytes = max_bytes
        self._entries: OrderedDict[bytes, _Entry[Item]] = OrderedDict()
        self._bytes = 0

    def find(self, key: bytes, now: float) -> Item | None:
        """Return an item that is not too old; `now` is in seconds."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now - entry.stored > self._max_age:
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return entry.item

    def add(self, key: bytes, item: Item, now: float) -> None:
        """Store an item, in place of those that have not been used for long."""
        if _size(item) > self.max_bytes:
            return
        self._remove(key)
        self._entries[key] = _Entry(item, now)
        self._bytes += _size(item)
        while self._bytes > self.max_bytes:
            self._remove(next(iter(self._entries)))

    def _remove(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= _size(entry.item)


def _size(item: Stored) -> int:
    return len(item.data) + _ENTRY_BYTES
