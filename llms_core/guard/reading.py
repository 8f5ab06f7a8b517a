"""Matches in a text as it will be read, which may differ from how it is written.

Arguments of tools are JSON within a text: in `"\\nsk-…"`, the key does not begin with the `n`. Characters without width
and full-width letters make no difference to a model.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from llms_core.guard.rules import Rule

#: JSON within JSON within JSON: arguments that hold a file which holds arguments.
_MAX_LEVELS = 3

_ESCAPE = r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})'
_escapes = re.compile(_ESCAPE)
_unread = re.compile(_ESCAPE + "|[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]+")
_FULL_WIDTH = {0xFF01 + offset: 0x21 + offset for offset in range(94)}


class Found(NamedTuple):
    """A match of a rule."""

    start: int
    end: int
    rule: Rule


def found_in(text: str, rules: Sequence[Rule]) -> list[Found]:
    """Return all matches by their position; of those that overlap, one that is denied, or else the first."""
    if text.isascii() and "\\" not in text:
        levels = [_matches(text, rules)]
        if len(levels[0]) < 2:
            return levels[0]
    else:
        levels = [*_as_read(text, rules), _outside_of_escapes(text, _matches(text, rules))]
    kept: list[Found] = []
    for denies in (True, False):
        for level in levels:
            kept = _with_others(kept, [found for found in level if found.rule.denies is denies])
    return kept


def before_escape(text: str, position: int) -> int:
    """Return a position at which a text may be divided: not within an escaped character."""
    for escape in _escapes.finditer(text):
        if escape.end() > position:
            return min(position, escape.start())
    return position


def _matches(text: str, rules: Sequence[Rule]) -> list[Found]:
    found: list[Found] = []
    for rule in rules:
        for match in rule.pattern.finditer(text):
            is_empty = match.end() == match.start()
            if not is_empty and rule.is_meant(match[0]):
                found.append(Found(match.start(), match.end(), rule))
    return found


def _as_read(text: str, rules: Sequence[Rule]) -> list[list[Found]]:
    """Return the matches of each reading, with their positions in the text. The last reading comes first: it knows
    best where something begins.
    """
    found: list[list[Found]] = []
    for read, starts in _readings(text):
        matches = _matches(read, rules)
        found.append([Found(starts[each.start], starts[each.end], each.rule) for each in matches])
    return found[::-1]


def _readings(text: str) -> Iterator[tuple[str, Sequence[int]]]:
    """Return the text with one level of escapes after the other removed, and where each character of it begins."""
    read = text
    starts: Sequence[int] = range(len(text) + 1)
    if not text.isascii():
        read = text.translate(_FULL_WIDTH)
        yield read, starts
    for _ in range(_MAX_LEVELS):
        pieces: list[str] = []
        next_starts: list[int] = []
        position = 0
        for match in _unread.finditer(read):
            pieces.append(read[position : match.start()])
            next_starts += starts[position : match.start()]
            position = match.end()
            if match[0].startswith("\\"):
                pieces.append(_unescaped(match[0]))
                next_starts.append(starts[match.start()])
        if not position:
            return
        pieces.append(read[position:])
        next_starts += starts[position:]
        read, starts = "".join(pieces), next_starts
        yield read, starts


def _unescaped(escape: str) -> str:
    if escape[1] == "u":
        return chr(int(escape[2:], 16))
    decoded: str = msgspec.json.decode(f'"{escape}"')
    return decoded


def _outside_of_escapes(text: str, found: Sequence[Found]) -> list[Found]:
    """Return matches in a text as it is written, each with the escaped characters in which it begins and ends."""
    if not found:
        return []
    spans = [match.span() for match in _escapes.finditer(text)]
    ends = [end for _, end in spans]

    def widened(each: Found) -> Found:
        first = bisect_right(ends, each.start)
        last = bisect_right(ends, each.end)
        start = min(each.start, spans[first][0]) if first < len(spans) else each.start
        is_within = last < len(spans) and spans[last][0] < each.end
        return Found(start, spans[last][1] if is_within else each.end, each.rule)

    return [widened(each) for each in found]


def _with_others(kept: Sequence[Found], found: Sequence[Found]) -> list[Found]:
    """Return matches that do not overlap, and those of others that overlap neither them nor each other."""
    ends = [each.end for each in kept]
    added: list[Found] = []
    position = 0
    for each in sorted(found, key=lambda found: (found.start, -found.end)):
        next_kept = bisect_right(ends, each.start)
        is_free = next_kept == len(kept) or kept[next_kept].start >= each.end
        if is_free and each.start >= position:
            added.append(each)
            position = each.end
    return sorted([*kept, *added], key=lambda found: found.start)
