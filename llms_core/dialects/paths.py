"""The paths of dialects: fixed ones, and templates with parameters: `/v1beta/models/{model}:generateContent`.

A parameter stands for any text that is not empty, slashes and colons included: names of models have both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Generic, TypeVar

T = TypeVar("T")

_PARAMETER = re.compile(r"\{(\w+)\}")
_NOTHING: Mapping[str, str] = MappingProxyType({})


def parameters(path: str) -> list[str]:
    """Return the names of a path's parameters; none for a fixed path."""
    return _PARAMETER.findall(path)


def fixed_part(path: str) -> str:
    """Return what all paths of a template begin with, up to its first parameter."""
    return path.partition("{")[0]


def problem(path: str) -> str | None:
    """Return what is wrong with the parameters of a path, or None."""
    names = parameters(path)
    rest = _PARAMETER.sub("", path)
    if "{" in rest or "}" in rest:
        return "has a brace that belongs to no parameter"
    if len(set(names)) < len(names):
        return "names a parameter twice"
    if "}{" in path:
        return "has two parameters with nothing between them"
    if names and fixed_part(path) == "/":
        return "begins with a parameter, so that it would stand for every path"
    return None


@cache
def pattern(path: str) -> re.Pattern[str]:
    """Return a regular expression for the paths of a template, with a group for each parameter."""
    texts = _PARAMETER.split(path)
    # Texts and names of parameters alternate.
    pieces = [
        f"(?P<{text}>.+)" if number % 2 else re.escape(text) for number, text in enumerate(texts)
    ]
    return re.compile("".join(pieces), re.DOTALL)


class PathTable(Generic[T]):
    """Finds what is registered for a path. Fixed paths come first, then templates, the longest first."""

    def __init__(self, entries: Mapping[str, T]):
        self._fixed = {
            path: (entry, _NOTHING) for path, entry in entries.items() if not parameters(path)
        }
        templates = sorted((path for path in entries if parameters(path)), key=len, reverse=True)
        self._templates = [(pattern(path), entries[path]) for path in templates]

    def find(self, path: str) -> tuple[T, Mapping[str, str]] | None:
        """Return the entry for a path and the path's parameters; None if there is none."""
        found = self._fixed.get(path)
        if found is not None:
            return found
        for template, entry in self._templates:
            match = template.fullmatch(path)
            if match is not None:
                return entry, match.groupdict()
        return None
