"""Tables of members, as Markdown: name, type, unit, default, meaning and example of each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import inspect

from llms_core.config.described import Member, comments, members, sentence

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_HEADER = ("member", "type", "unit", "default", "meaning", "example")

Write = Callable[[str, Any], str]
"""Writes a member as one does in a file: its name, and its value."""


def table(
    struct: type[msgspec.Struct], write: Write, only: Iterable[str] | None = None
) -> Iterator[str]:
    """Yield the lines of a table with the members of a struct, or only some of them."""
    yield row(_HEADER)
    yield row(["---"] * len(_HEADER))
    for member in members(struct):
        if only is None or member.name in only:
            yield row(_cells(member, write))


def row(cells: Iterable[str]) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def as_toml(name: str, value: Any) -> str:
    """Write a member of a table in TOML."""
    return f"{_toml_key(name)} = {_toml(value)}"


def as_json(name: str, value: Any) -> str:
    """Write a member of an object in JSON."""
    return f"{json.dumps(name)}: {_json(value)}"


def _cells(member: Member, write: Write) -> list[str]:
    example = ""
    if member.example is not msgspec.NODEFAULT:
        example = code(write(member.name, msgspec.to_builtins(member.example, order="sorted")))
    return [
        f"`{member.name}`",
        type_name(member.type),
        member.unit,
        _default(member),
        member.description,
        example,
    ]


def _default(member: Member) -> str:
    default = member.default
    if member.required:
        return "required"
    # The tables and objects have descriptions of their own.
    if default is None or default is msgspec.UNSET or isinstance(default, msgspec.Struct):
        return "–"
    if default in ({}, (), [], "", frozenset()):
        return "empty"
    return code(_json(msgspec.to_builtins(default, order="sorted")))


def code(text: str) -> str:
    """Return text as code; a backtick in it needs two around it."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def type_name(kind: inspect.Type) -> str:
    """Return what may be written, in words."""
    match kind:
        case inspect.Metadata():
            return type_name(kind.type)
        case inspect.UnionType():
            names = dict.fromkeys(
                type_name(each) for each in kind.types if not isinstance(each, inspect.NoneType)
            )
            return " or ".join(names)
        case inspect.BoolType():
            return "`true` or `false`"
        case inspect.IntType():
            return _bounded("whole number", kind)
        case inspect.FloatType():
            return _bounded("number", kind)
        case inspect.StrType():
            return "text"
        case inspect.LiteralType():
            return ", ".join(f"`{value}`" for value in kind.values)
        case inspect.EnumType():
            return "kind of error"
        case inspect.DictType():
            if _is_named(kind.value_type):
                return f"{type_name(kind.value_type)} by name"
            return "object"
        case inspect.StructType():
            return f"[{kind.cls.__name__}](#{kind.cls.__name__.lower()})"
        case inspect.ListType() | inspect.VarTupleType() | inspect.FrozenSetType():
            return f"list of {type_name(kind.item_type)}"
        case inspect.CustomType():
            return "text"
        case _:
            return "anything"


def _is_named(kind: inspect.Type) -> bool:
    return not isinstance(kind, inspect.AnyType)


def _bounded(name: str, kind: inspect.IntType | inspect.FloatType) -> str:
    """A number with its limits."""
    if kind.ge is not None and kind.le is not None:
        return f"{name} from {kind.ge} to {kind.le}"
    if kind.ge is not None:
        return f"{name}, {kind.ge} or more"
    if kind.gt is not None:
        return f"{name} over {kind.gt}"
    return name


def meanings(kind: type) -> Mapping[str, str]:
    """Return the comments of a class as sentences."""
    return {name: sentence(text) for name, text in comments(kind).items()}


def _toml(value: Any) -> str:
    match value:
        case dict():
            return "{" + ", ".join(as_toml(name, item) for name, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case _:
            return _json(value)


def _toml_key(name: str) -> str:
    if _PLAIN_KEY.fullmatch(name):
        return name
    return json.dumps(name)


def _json(value: Any) -> str:
    return json.dumps(_short(value), ensure_ascii=False)


def _short(value: Any) -> Any:
    """A whole number of seconds without its decimal point."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
