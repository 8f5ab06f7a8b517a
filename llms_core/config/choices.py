"""The values that a member of a file may have, where these are a few names: for error messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect

from llms_core.config.locate import JsonPath, nearest

# How msgspec words the error that is explained here.
_INVALID = re.compile(r"Invalid enum value '?(.*?)'?")


def explained(message: str, path: JsonPath, kind: Any) -> tuple[str, JsonPath, str]:
    """Return the message of a validation error, its path and a hint; they tell which names a `kind` allows there.

    `path` is that of the wrong value, or of the object that has a wrong key.
    """
    invalid = _INVALID.fullmatch(message)
    if invalid is None:
        return message, path, ""
    name = invalid[1]
    info = _inside(inspect.type_info(kind), path)
    if isinstance(info, inspect.DictType):
        path = (*path, name)
        info = info.key_type
    known = list(_names(info))
    hint = f"one of: {', '.join(known)}"
    near = nearest(name, known)
    if near is not None:
        hint = f"did you mean '{near}'? {hint}"
    return f"unknown value '{name}'", path, hint


def struct_at(kind: type[msgspec.Struct], path: JsonPath) -> type[msgspec.Struct]:
    """Return the struct that the object at `path` of a `kind` is decoded into."""
    info = _inside(inspect.type_info(kind), path)
    if isinstance(info, inspect.StructType):
        return info.cls
    return kind


def _inside(info: inspect.Type | None, path: JsonPath) -> inspect.Type | None:
    """The type of the value at `path`, without the alternative null; None if there is none."""
    for step in path:
        info = _member(info, step)
    return _present(info)


def _member(info: inspect.Type | None, step: str | int) -> inspect.Type | None:
    info = _present(info)
    match info:
        case inspect.StructType():
            for field in info.fields:
                if field.encode_name == step:
                    return field.type
            return None
        case inspect.DictType():
            return info.value_type
        case inspect.ListType() | inspect.VarTupleType():
            return info.item_type
        case _:
            return None


def _is_object(info: inspect.Type) -> bool:
    return not isinstance(info, inspect.NoneType | inspect.StrType)


def _present(info: inspect.Type | None) -> inspect.Type | None:
    """A type without its alternatives: those of our files are null, or a short form of an object."""
    while isinstance(info, inspect.UnionType | inspect.Metadata):
        if isinstance(info, inspect.Metadata):
            info = info.type
            continue
        info = next(filter(_is_object, info.types), None)
    return info


def _names(info: inspect.Type | None) -> Iterator[str]:
    match info:
        case inspect.LiteralType():
            yield from map(str, info.values)
        case inspect.EnumType():
            yield from (str(each.value) for each in info.cls)
        case _:
            return
