"""What Anthropic's models differ in, as its documentation says, and the JSON schemas that structured outputs take.

https://platform.claude.com/docs/en/about-claude/models/overview, and the pages on thinking, effort, structured outputs
and the migration from model to model. A name that is not known but says `claude-` is taken for a newer model than
these; one that does not, for a model of another maker's behind the same protocol.
"""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

import msgspec

Schema = dict[str, Any]


class Family(NamedTuple):
    """Models that take the same parameters.

    `limit` is the largest max_tokens. `thinking` is how thinking is asked for: by a budget of tokens, or adaptive, with
    an effort. `off` is the type of `thinking` that turns it off; "" where it is off anyway, None where it stays on.
    `sampling` is how many of temperature and top_p may be given. `schemas`: it has structured outputs; `forced`: it can
    be made to call a tool.
    """

    limit: int = 128_000
    thinking: Literal["budget", "adaptive"] | None = "adaptive"
    off: str | None = "disabled"
    xhigh: bool = True
    sampling: int = 0
    schemas: bool = True
    forced: bool = True


_OLDEST = Family(4096, None, "", sampling=2, schemas=False)
_BUDGET = Family(64_000, "budget", "", sampling=1, schemas=False)

#: The first that is found in a name, whose dots are dashes, is its family. `\b` tells a version from a date.
_FAMILIES = tuple((re.compile(pattern), family) for pattern, family in (
    (r"claude-(?:[12]\b|instant|v\d|3-(?:opus|sonnet|haiku))", _OLDEST),
    (r"claude-3-5", _OLDEST._replace(limit=8192)),
    (r"claude-3-7", _BUDGET._replace(sampling=2)),
    (r"claude-(?:opus-4|4-opus)(?!-[2-9]\b)", _BUDGET._replace(limit=32_000)),
    (r"claude-(?:sonnet-4|4-sonnet)(?!-[1-9]\b)", _BUDGET),
    (r"claude-(?:opus|sonnet|haiku)-4-5\b", _BUDGET._replace(schemas=True)),
    (r"claude-(?:opus|sonnet)-4-6\b", Family(off="", xhigh=False, sampling=1)),
    (r"claude-opus-4", Family(off="")),
    (r"claude-(?:(?:fable|mythos)-5|mythos-preview)(?!-[1-9]\b)", Family(off=None)),
    (r"claude-(?:fable|mythos|opus-5-5)", Family(off=None, forced=False)),
    (r"claude-sonnet-5-5", Family(off="between_tools", forced=False)),
    (r"claude-", Family()),
    (r"", _BUDGET._replace(limit=8192, sampling=2)),
))  # fmt: skip


def family(model: str) -> Family:
    """The family of a model, by its id on any platform."""
    name = model.lower().replace(".", "-")
    return next(family for pattern, family in _FAMILIES if pattern.search(name))


class Inexpressible(ValueError):
    """A schema means something that structured outputs cannot hold a model to."""


_SCHEMAS = ("anyOf", "allOf", "oneOf")
_MAPS = ("properties", "$defs", "definitions")
_TAKEN = frozenset({"$schema", "$ref", "const", "default", "description", "enum", "required", "title", "type"})
_TAKEN_VALUES = {("minItems", "0"), ("minItems", "1")} | {("format", name) for name in (
    "date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid",
)}  # fmt: skip
_REF = re.compile(rb'"\$ref":"#(?:/\$defs/|/definitions/)?([^"]*)"')


def closed(schema: Schema) -> Schema:
    """`schema` with its objects closed; limits that structured outputs do not know become a part of descriptions.

    What follows it follows the given schema, but for those limits. Raises Inexpressible.
    """
    if _is_recursive(schema):
        raise Inexpressible("it is recursive")
    return _closed(schema)


def _closed(schema: Any) -> Schema:
    if not isinstance(schema, dict):
        raise Inexpressible("a part of it allows anything")
    made: Schema = {}
    noted = []
    for name, value in schema.items():
        if name in _MAPS and isinstance(value, dict):
            made[name] = {key: _closed(inner) for key, inner in value.items()}
        elif name in _SCHEMAS and isinstance(value, list):
            made["anyOf" if name == "oneOf" else name] = [_closed(inner) for inner in value]
        elif name == "items":
            made[name] = _closed(value)
        elif name in _TAKEN or (name, str(value)) in _TAKEN_VALUES:
            made[name] = value
        elif name == "additionalProperties":
            if isinstance(value, dict):
                raise Inexpressible("an object of it has members of any name")
        else:
            noted.append(f"{name}: {value if isinstance(value, str) else msgspec.json.encode(value).decode()}")
    if "properties" in made or "object" in _types(made):
        if not made.get("properties") and schema.get("additionalProperties") is not False:
            raise Inexpressible("an object of it has members of any name")
        made["additionalProperties"] = False
    if noted:
        described = [str(made["description"])] if made.get("description") else []
        made["description"] = "\n\n".join([*described, f"{{{', '.join(noted)}}}"])
    return made


def _types(schema: Schema) -> tuple[Any, ...]:
    said = schema.get("type")
    return tuple(said) if isinstance(said, list) else (said,)


def _is_recursive(schema: Schema) -> bool:
    """Whether a definition, or the whole, refers to itself: is left when what refers to nothing is taken off."""
    known: Schema = {}
    for name in ("definitions", "$defs"):
        if isinstance(schema.get(name), dict):
            known |= schema[name]
    root = {name: value for name, value in schema.items() if name not in ("$defs", "definitions")}
    left = {name: {ref.decode() for ref in _REF.findall(msgspec.json.encode(inner))} for name, inner in known.items()}
    left[""] = {ref.decode() for ref in _REF.findall(msgspec.json.encode(root))}
    while done := [name for name, refs in left.items() if refs.isdisjoint(left)]:
        for name in done:
            del left[name]
    return bool(left)
