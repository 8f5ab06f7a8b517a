"""Changes one member of a JSON text in place: every other character stays as it is, comments included."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from llms_core.config.comments import blank, find_extras
from llms_core.config.locate import Item, dotted, find, items, skip_whitespace

_INDENTATION = re.compile(r"[ \t]*")
_DEFAULT_INDENTATION = "  "


class _Text(NamedTuple):
    """A JSON text, as it is written and as it is read."""

    written: str
    #: valid JSON, with spaces in place of comments, their line ends and trailing commas; positions are the same
    json: str
    trailing_commas: list[int]
    newline: str
    #: the indentation of one level
    unit: str


def set_member(text: str, path: tuple[str, ...], value: Any, *, first: bool = False) -> str:
    """Return `text` with `value` as the member at `path`; objects that are missing on the way are added.

    `text` is JSON, with or without comments and trailing commas. A new member becomes the last one of its object, or
    the `first`. Raises ValueError if something on the way is neither an object nor null.
    """
    source = _read(text)
    position = skip_whitespace(source.json, 0)
    for depth, name in enumerate(path, 1):
        item = find(source.json, position, name)
        rest = path[depth:]
        if item is None:
            return _insert(source, position, name, _nested(rest, value), first=first)
        is_object = source.json[item.value] == "{"
        if not rest or not is_object:
            if rest and source.json[item.value : item.end] != "null":
                raise ValueError(f"{dotted(path[:depth])} is not an object")
            return _replace(source, item, _nested(rest, value))
        position = item.value
    raise ValueError("the path is empty")


def _read(text: str) -> _Text:
    extras = find_extras(text)
    commas = [(position, position + 1) for position in extras.trailing_commas]
    as_json = blank(text, [*extras.comments, *commas], keep_lines=False)
    newline = "\r\n" if "\r\n" in text else "\n"
    source = _Text(text, as_json, extras.trailing_commas, newline, _DEFAULT_INDENTATION)
    for item in items(as_json, skip_whitespace(as_json, 0)):
        return source._replace(unit=_own_line_indentation(source, item) or _DEFAULT_INDENTATION)
    return source


def _nested(path: tuple[str, ...], value: Any) -> Any:
    for name in reversed(path):
        value = {name: value}
    return value


def _replace(source: _Text, item: Item, value: Any) -> str:
    indentation = _indentation(source, item.start)
    is_inline = "\n" not in source.json
    rendered = _rendered(source, value, None if is_inline else indentation)
    return source.written[: item.value] + rendered + source.written[item.end :]


def _insert(source: _Text, position: int, name: str, value: Any, *, first: bool) -> str:
    """Add a member to the object at `position`."""
    members = list(items(source.json, position))
    if not members:
        return _insert_only(source, position, name, value)
    neighbour = members[0] if first else members[-1]
    indentation = _own_line_indentation(source, neighbour)
    member = _member(source, name, value, indentation)
    written = source.written
    if first:
        if indentation is None:
            return f"{written[: neighbour.start]}{member}, {written[neighbour.start :]}"
        place = _end_of_line(source, position + 1)
        return f"{written[:place]}{source.newline}{indentation}{member},{written[place:]}"
    if indentation is None:
        return f"{written[: neighbour.end]}, {member}{written[neighbour.end :]}"
    closing = skip_whitespace(source.json, neighbour.end)
    trailing = [comma for comma in source.trailing_commas if neighbour.end <= comma < closing]
    if trailing:
        # Keep the style: the new member has a trailing comma, too.
        place = _end_of_line(source, trailing[0] + 1)
        return f"{written[:place]}{source.newline}{indentation}{member},{written[place:]}"
    place = _end_of_line(source, neighbour.end)
    between = written[neighbour.end : place]
    return f"{written[: neighbour.end]},{between}{source.newline}{indentation}{member}{written[place:]}"


def _insert_only(source: _Text, position: int, name: str, value: Any) -> str:
    """Add a member to an empty object, after comments that it may contain."""
    written = source.written
    closing = skip_whitespace(source.json, position + 1)
    inside = written[position + 1 : closing]
    if "\n" not in source.json and not inside.strip():
        return f"{written[: position + 1]}{_member(source, name, value, None)}{written[closing:]}"
    outer = _indentation(source, position)
    indentation = outer + source.unit
    member = _member(source, name, value, indentation)
    before = written[: position + 1] + inside.rstrip()
    return (
        f"{before}{source.newline}{indentation}{member}{source.newline}{outer}{written[closing:]}"
    )


def _member(source: _Text, name: str, value: Any, indentation: str | None) -> str:
    return f"{json.dumps(name, ensure_ascii=False)}: {_rendered(source, value, indentation)}"


def _rendered(source: _Text, value: Any, indentation: str | None) -> str:
    """Write a value; on one line if `indentation`, which is that of its member, is None."""
    if indentation is None:
        return json.dumps(value, ensure_ascii=False)
    text = json.dumps(value, ensure_ascii=False, indent=source.unit)
    return text.replace("\n", source.newline + indentation)


def _own_line_indentation(source: _Text, item: Item) -> str | None:
    """The indentation of an item that is the first one on its line; None for others."""
    start_of_line = source.json.rfind("\n", 0, item.start) + 1
    if start_of_line == 0 or source.json[start_of_line : item.start].strip():
        return None
    return _indentation(source, item.start)


def _indentation(source: _Text, position: int) -> str:
    """The white space at the beginning of the line that contains a position."""
    found = _INDENTATION.match(source.written, source.json.rfind("\n", 0, position) + 1)
    if found:
        return found.group()
    return ""


def _end_of_line(source: _Text, position: int) -> int:
    """Return the end of the line if nothing but a comment follows `position` on it; otherwise `position`."""
    end = source.json.find("\n", position)
    if end == -1 or source.json[position:end].strip():
        return position
    if source.json[end - 1] == "\r":
        return end - 1
    return end
