"""Names that are similar to one that does not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from heapq import nlargest

#: How many names are suggested, and how many are compared with care, which takes a tenth of a millisecond each.
_MAX_NAMES = 3
_MAX_COMPARED = 20
#: From 0 to 1: what a suggestion has in common with the name, unless it contains it.
_LEAST = 0.76
#: Shorter names are similar to too many others, or part of them.
_MIN_NAME = 3
_MIN_PART = 4


class SimilarNames:
    """Finds similar names among thousands without blocking the event loop: first by what both are made of."""

    def __init__(self, names: Iterable[str]):
        self._pieces = [(name, _pieces(name)) for name in names]

    def find(self, name: str) -> list[str]:
        """Return the names that are most similar, the best first; none if no name is similar enough."""
        if len(name) < _MIN_NAME:
            return []
        wanted = _pieces(name)
        having = ((len(wanted & pieces), known) for known, pieces in self._pieces)
        compared = nlargest(_MAX_COMPARED, having, key=lambda each: each[0])
        rated = [
            (_similarity(name.lower(), known.lower()), known)
            for shared, known in compared
            if shared
        ]
        found = nlargest(_MAX_NAMES, rated, key=lambda each: each[0])
        return [known for rating, known in found if rating >= _LEAST]


def _pieces(name: str) -> set[str]:
    """All parts of three characters."""
    lower = name.lower()
    return {lower[start : start + 3] for start in range(max(1, len(lower) - 2))}


def _similarity(name: str, known: str) -> float:
    """From 0 to 1. A name of which the other is a longer form counts as similar: one with a vendor, or a version."""
    ratio = SequenceMatcher(None, name, known).ratio()
    if len(name) >= _MIN_PART and name in known:
        return max(ratio, _LEAST)
    return ratio
