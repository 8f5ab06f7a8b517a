"""Comments and trailing commas in llms.json, which JSON does not have but many editors write (JSONC)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

Span = tuple[int, int]
"""The first position of a piece of text, and the first one after it."""

# A string or comment that does not end is left to the JSON parser, which reports its place.
_TOKEN = re.compile(
    r'(?P<string>"(?:[^"\\]|\\.)*")'
    r"|(?P<comment>//[^\r\n]*|/\*.*?\*/)"
    r'|(?P<other>[][{},:/]|[^][{},:/\s"]+)',
    re.DOTALL,
)
_NO_VALUE = ("", "{", "[", ",", ":")


class Extras(NamedTuple):
    """What a text has beyond JSON."""

    comments: list[Span]
    #: the positions of commas after the last member of an object, or the last item of an array
    trailing_commas: list[int]


def find_extras(text: str) -> Extras:
    """Find comments and trailing commas."""
    extras = Extras([], [])
    comma: int | None = None
    before_comma = ""
    previous = ""
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "comment":
            extras.comments.append(token.span())
            continue
        current = token.group()
        if current in ("}", "]") and comma is not None and before_comma not in _NO_VALUE:
            extras.trailing_commas.append(comma)
        comma = None
        if current == ",":
            comma = token.start()
            before_comma = previous
        previous = current
    return extras


def as_json(text: str) -> str:
    """Return `text` with spaces in place of comments and trailing commas. Positions and lines stay the same."""
    extras = find_extras(text)
    commas = [(position, position + 1) for position in extras.trailing_commas]
    return blank(text, [*extras.comments, *commas])


def blank(text: str, spans: Iterable[Span], *, keep_lines: bool = True) -> str:
    """Return `text` with spaces in place of `spans`, which do not overlap. Line ends in them stay if `keep_lines`."""
    parts = []
    end = 0
    for start, stop in sorted(spans):
        parts.append(text[end:start])
        blanked = " " * (stop - start)
        if keep_lines:
            blanked = re.sub(r"[^\r\n]", " ", text[start:stop])
        parts.append(blanked)
        end = stop
    parts.append(text[end:])
    return "".join(parts)
