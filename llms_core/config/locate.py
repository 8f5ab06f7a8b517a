"""Where in a file something stands, and what a mistyped name may have meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from json import JSONDecoder
from typing import Any

import msgspec

At = tuple[str | int, ...]
"""The way to a member: names of objects' members and positions in arrays, from the top."""

_PLAIN = re.compile(r"[\w$:/@-]+")
_SPACE = re.compile(r"[ \t\r\n]*")
_VALUE = JSONDecoder()
_STEP = re.compile(r"\.([^.\[\]`]+)|\[(\d+)\]|\[(\.\.\.)\]")
_LOCATION = re.compile(r"^(.*) - at `(?:key in )?\$(.*)`$", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.+)`")


def dotted(at: At) -> str:
    """`providers.groq.models[0]`; a name with characters of its own is quoted: `providers."z.ai".type`."""
    parts = []
    for step in at:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        else:
            name = step if _PLAIN.fullmatch(step) else msgspec.json.encode(step).decode()
            parts.append(f".{name}" if parts else name)
    return "".join(parts)


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The one of `known` that `name` most looks like; None where nothing is near."""
    by_lower = {item.lower(): item for item in known}
    found = get_close_matches(name.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[found[0]] if found else None


def line_of(text: str, at: At) -> int:
    """The line, from 1, of a member of valid JSON; of what is nearest above it where the member is not there."""
    position = here = _skip(text, 0)
    for step in at:
        found = next(((begin, value) for name, begin, value in _items(text, position) if name == step), None)
        if found is None:
            break
        here, position = found
    return _line(text, here)


def repeated(text: str) -> tuple[At, int, int] | None:
    """The first member that an object of valid JSON has twice, and the lines of both."""
    pending: list[tuple[At, int]] = [((), _skip(text, 0))]
    while pending:
        at, position = pending.pop(0)
        seen: dict[str | int, int] = {}
        for name, here, value in _items(text, position):
            if name in seen:
                return (*at, name), _line(text, seen[name]), _line(text, here)
            seen[name] = here
            if text[value] in "{[":
                pending.append(((*at, name), value))
    return None


def explained(error: msgspec.ValidationError, value: Any, check: Callable[[Any], object]) -> tuple[str, At]:
    """What is wrong with `value` and where. `check` is what raised the error; `value` is changed.

    msgspec does not tell the names of a dictionary's keys: they are found by checking them one at a time.
    """
    message, where = _fault(error)
    while None in where:
        known = where[: where.index(None)]
        root = [value]
        holder, slot = root, 0  # what holds the dictionary, and where
        for step in known:
            holder, slot = holder[slot], step
        for key, item in holder[slot].items():
            holder[slot] = {key: item}
            try:
                check(root[0])
            except msgspec.ValidationError as narrowed:
                message, further = _fault(narrowed)
                value, where = root[0], (*known, key, *further[len(known) + 1 :])
                break
        else:
            where = known
    return message, tuple(step for step in where if step is not None)


def _fault(error: msgspec.ValidationError) -> tuple[str, tuple[Any, ...]]:
    """msgspec's text as a message and the way to the member; None on it is a key that msgspec does not tell."""
    found = _LOCATION.match(str(error))
    message, path = found.groups() if found else (str(error), "")
    steps = _STEP.findall(path)
    where = tuple(None if unknown else int(position) if position else name for name, position, unknown in steps)
    if missing := _MISSING.match(message):
        message = f"`{missing[1]}` is missing"
    return message, where


def _items(text: str, position: int) -> Iterator[tuple[str | int, int, int]]:
    """The members of the object or array at `position`: name, where it begins, where its value begins."""
    opening = text[position]
    if opening not in "{[":
        return
    count, position = 0, _skip(text, position + 1)
    while text[position] not in "}]":
        here, name = position, count
        count += 1
        if opening == "{":
            key, position = _VALUE.raw_decode(text, position)
            position = _skip(text, _skip(text, position) + 1)
            yield key, here, position
        else:
            yield name, here, position
        position = _skip(text, _VALUE.raw_decode(text, position)[1])
        if text[position] == ",":
            position = _skip(text, position + 1)


def _skip(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
