"""The tags by which requests are added up."""

from __future__ import annotations

from collections.abc import Sequence

from llms_core.records import RequestRecord

OTHERS = "(others)"
"""Stands for the tags of a day beyond the first thousand: clients may send any."""

_MAX_TAGS = 1000


class Tags:
    """Reads the tags of records, which are those of the header and those that the settings make of metadata."""

    def __init__(self, from_metadata: Sequence[str] = ()):
        self._from_metadata = tuple(from_metadata)
        self._day = 0
        self._known: set[str] = set()

    def of(self, record: RequestRecord, day: int) -> Sequence[str]:
        """Return the tags by which a record of a day is added up."""
        tags: Sequence[str] = record.tags
        for name in self._from_metadata:
            value = record.metadata.get(name)
            if value is not None:
                tags = (*tags, f"{name}={value}")
        if not tags:
            return ()
        if day != self._day:
            self._day = day
            self._known.clear()
        return tuple(dict.fromkeys(map(self._bounded, tags)))

    def _bounded(self, tag: str) -> str:
        if not tag.isascii() or "\0" in tag:
            tag = tag.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
        if tag in self._known:
            return tag
        if len(self._known) >= _MAX_TAGS:
            return OTHERS
        self._known.add(tag)
        return tag
