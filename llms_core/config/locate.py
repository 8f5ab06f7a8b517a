"""Finds members of a JSON text by their path, and explains validation errors with the path of the wrong value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from json import JSONDecoder
from typing import Any, NamedTuple

import msgspec

JsonPath = tuple[str | int, ...]
"""A member's path from the top: names of object members and indexes of array items."""

# Names that need no quotes in a dotted path.
_PLAIN_NAME = re.compile(r"[\w$:/@-]+")
_WHITESPACE = re.compile(r"[ \t\r\n]*")
_DECODER = JSONDecoder()

# msgspec appends the path to its messages: "Expected `int`, got `str` - at `$.a[0][...]`", with "`key` in " before the
# path if a key is wrong. It writes [...] in place of a dictionary's key.
_ERROR_WITH_PATH = re.compile(r"^(.*) - at (?:`key` in )?`\$(.*)`$", re.DOTALL)
_ERROR_STEP = re.compile(r"\.([^.\[\]`]+)|\[(\d+)\]|\[(\.\.\.)\]")
_MISSING_FIELD = re.compile(r"Object missing required field `(.+)`")


class Duplicate(NamedTuple):
    """A name that occurs twice in one object. Lines count from 1."""

    path: JsonPath
    first_line: int
    second_line: int


class Item(NamedTuple):
    """A member of an object, or an item of an array, with its positions in the text."""

    name: str | int
    start: int  #: where the member begins: at its name, or at the value in an array
    value: int  #: where its value begins
    end: int  #: the first position after its value


def dotted(path: JsonPath) -> str:
    """Format a path as `providers.mine.models[0]`; special names are quoted, as in `providers."z.ai".type`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
            continue
        if text:
            text += "."
        is_plain = _PLAIN_NAME.fullmatch(step) is not None
        text += step if is_plain else msgspec.json.encode(step).decode()
    return text


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the item of `known` that is most similar to `name`, or None if none is similar enough."""
    by_lower = {item.lower(): item for item in known}
    matches = get_close_matches(name.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[matches[0]] if matches else None


def line_of(text: str, path: JsonPath) -> int:
    """Return the line, from 1, of a member of valid JSON. A path that does not exist gives its closest parent's."""
    value = skip_whitespace(text, 0)
    start = value
    for step in path:
        item = find(text, value, step)
        if item is None:
            break
        start = item.start
        value = item.value
    return _line_at(text, start)


def find_duplicate(text: str) -> Duplicate | None:
    """Find the first name that occurs twice in one object of valid JSON."""
    pending: list[tuple[JsonPath, int]] = [((), skip_whitespace(text, 0))]
    # Breadth first, so that a duplicate near the top is reported before one inside it.
    while pending:
        path, position = pending.pop(0)
        seen: dict[str | int, int] = {}
        for item in items(text, position):
            item_path = (*path, item.name)
            if item.name in seen:
                return Duplicate(
                    item_path, _line_at(text, seen[item.name]), _line_at(text, item.start)
                )
            seen[item.name] = item.start
            if text[item.value] in "{[":
                pending.append((item_path, item.value))
    return None


def explained(
    error: msgspec.ValidationError, value: Any, check: Callable[[Any], object]
) -> tuple[str, JsonPath]:
    """Return the message of a validation error and the path of the wrong value. Changes `value`.

    `check` is the validation that raised `error`. msgspec does not report the keys of dictionaries: they are found by
    validating the dictionary with one key at a time.
    """
    root = [value]  # a list, so that `value` itself can be replaced like any other container
    message, steps = _parse_error(error)
    while None in steps:
        known = steps[: steps.index(None)]
        narrowed = _narrow(root, known, check)
        if narrowed is None:
            steps = known
            break
        key, narrower_error = narrowed
        message, narrower_steps = _parse_error(narrower_error)
        steps = (*known, key, *narrower_steps[len(known) + 1 :])
    return message, tuple(step for step in steps if step is not None)


def _narrow(
    root: list[Any], path: tuple[Any, ...], check: Callable[[Any], object]
) -> tuple[str, msgspec.ValidationError] | None:
    """Reduce the dictionary at `path` to the first key whose value is wrong, and return that key and its error."""
    holder: Any = root
    slot: Any = 0
    for step in path:
        holder = holder[slot]
        slot = step
    for key, item in holder[slot].items():
        holder[slot] = {key: item}
        try:
            check(root[0])
        except msgspec.ValidationError as error:
            return key, error
    return None


def _parse_error(error: msgspec.ValidationError) -> tuple[str, tuple[Any, ...]]:
    """Split msgspec's text into message and path; None in the path stands for an unreported key."""
    message = str(error)
    path = ""
    if found := _ERROR_WITH_PATH.match(message):
        message, path = found.groups()
    steps: list[str | int | None] = []
    for name, index, unreported in _ERROR_STEP.findall(path):
        if unreported:
            steps.append(None)
        elif index:
            steps.append(int(index))
        else:
            steps.append(name)
    if missing := _MISSING_FIELD.match(message):
        message = f"`{missing[1]}` is missing"
    return message, tuple(steps)


def items(text: str, position: int) -> Iterator[Item]:
    """Iterate over the object or array at `position` of valid JSON; over nothing if it is another value."""
    opening = text[position]
    if opening not in "{[":
        return
    index = 0
    position = skip_whitespace(text, position + 1)
    while text[position] not in "}]":
        start = position
        name: str | int = index
        if opening == "{":
            name, position = _DECODER.raw_decode(text, position)
            colon = skip_whitespace(text, position)
            position = skip_whitespace(text, colon + 1)
        _, end = _DECODER.raw_decode(text, position)
        yield Item(name, start, position, end)
        index += 1
        position = skip_whitespace(text, end)
        if text[position] == ",":
            position = skip_whitespace(text, position + 1)


def find(text: str, position: int, name: str | int) -> Item | None:
    """Return the member or item `name` of the object or array at `position`; None if there is none."""
    for item in items(text, position):
        if item.name == name:
            return item
    return None


def skip_whitespace(text: str, position: int) -> int:
    """Return the first position from `position` on that is no white space."""
    found = _WHITESPACE.match(text, position)
    if found:
        return found.end()
    return position


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
