"""What the members of the files mean, for documentation and JSON schemas: the structs are the only source.

A description is that of `Meta`, or the `#:` comment above a member in the source.
"""

from __future__ import annotations

import enum
import inspect
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, cast

import msgspec
from msgspec.inspect import Metadata, StructType, Type, type_info

_COMMENT = re.compile(r"\s*#: ?(.*)")
_MEMBER = re.compile(r"    (\w+)\s*[:=]")


class Member(msgspec.Struct, frozen=True):
    """A member of a struct as a file has it."""

    name: str
    type: Type
    required: bool
    default: Any
    description: str
    #: such as `seconds`; empty for most
    unit: str
    #: the value of an example; NODEFAULT if there is none
    example: Any


def members(struct: type[msgspec.Struct]) -> Iterator[Member]:
    """Yield the members of a struct, in order."""
    info = cast("StructType", type_info(struct))
    explained = comments(struct)
    for field in info.fields:
        schema, extra, kind = _without_metadata(field.type)
        default = field.default
        if default is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        yield Member(
            name=field.encode_name,
            type=kind,
            required=field.required,
            default=default,
            description=str(schema.get("description") or sentence(explained.get(field.name, ""))),
            unit=str(extra.get("unit", "")),
            example=_example(schema, default),
        )


@cache
def comments(kind: type) -> dict[str, str]:
    """Return the `#:` comments of a class, and of those that it extends, by the name of the member that follows."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if issubclass(each, msgspec.Struct | enum.Enum) and each.__module__.startswith("llms_"):
            found.update(_comments_in(inspect.getsource(each)))
    return found


def describe(schema: dict[str, Any], structs: Iterable[type[msgspec.Struct]]) -> None:
    """Add the comments to the definitions of a JSON schema, where `Meta` gives no description."""
    for struct in structs:
        definition = schema.get(struct.__name__)
        if definition is None:
            continue
        for member in members(struct):
            described = definition["properties"].get(member.name)
            if described is None:
                continue
            if member.description:
                described.setdefault("description", member.description)
            if isinstance(member.default, frozenset):
                # Sets have another order in each process.
                described["default"] = sorted(member.default)


def sentence(text: str) -> str:
    """Return a comment as a sentence."""
    if not text:
        return ""
    text = text[0].upper() + text[1:]
    if text.endswith((".", "!", "?")):
        return text
    return f"{text}."


def _comments_in(source: str) -> Iterator[tuple[str, str]]:
    lines: list[str] = []
    for line in source.splitlines():
        comment = _COMMENT.fullmatch(line)
        member = _MEMBER.match(line)
        if comment is not None:
            lines.append(comment[1].strip())
        elif member is not None and lines:
            yield member[1], " ".join(lines)
            lines = []
        else:
            lines = []


def _without_metadata(kind: Type) -> tuple[dict[str, Any], dict[str, Any], Type]:
    """The members for the schema and the other ones of a type's `Meta`, also of its parts, and the type."""
    schema: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    while isinstance(kind, Metadata):
        schema = {**(kind.extra_json_schema or {}), **schema}
        extra = {**(kind.extra or {}), **extra}
        kind = kind.type
    for part in getattr(kind, "types", ()):
        inner_schema, inner_extra, _ = _without_metadata(part)
        schema = {**inner_schema, **schema}
        extra = {**inner_extra, **extra}
    return schema, extra, kind


def _example(schema: dict[str, Any], default: Any) -> Any:
    examples = schema.get("examples")
    if examples:
        return examples[0]
    if default is msgspec.NODEFAULT or default is None or isinstance(default, msgspec.Struct):
        return msgspec.NODEFAULT
    if isinstance(default, bool) or default:
        return default
    return msgspec.NODEFAULT
