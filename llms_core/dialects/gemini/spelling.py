"""What Google takes in more than one form, and so does this dialect.

Members are spelled `systemInstruction` or `system_instruction`, and a list of one may be what it has alone.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from llms_core.contracts.json import UNREADABLE

_SNAKE_CASE_MEMBER = re.compile(rb'"[a-z]+(?:_[a-z0-9]+)+"\s*:')
_NEXT_WORD = re.compile(r"(?<=[a-z0-9])_([a-z0-9])")

#: Members whose value is the client's own, or a JSON schema; the same words may be names in it.
_OPAQUE = frozenset({
    "args",
    "default",
    "enum",
    "example",
    "labels",
    "parametersJsonSchema",
    "partMetadata",
    "response",
    "responseJsonSchema",
})  # fmt: skip
#: Members that are lists.
_LISTS = frozenset({
    "allowedFunctionNames",
    "contents",
    "functionDeclarations",
    "parts",
    "requests",
    "responseModalities",
    "safetySettings",
    "stopSequences",
    "tools",
})  # fmt: skip
#: Members that are maps: their keys are the client's, and their values are Google's again.
_MAPS = frozenset({"properties", "defs"})


def camel_case(data: bytes) -> bytes:
    """Return a request whose members are spelled in camel case. Most are already, and are returned as they are."""
    if _SNAKE_CASE_MEMBER.search(data) is None:
        return data
    try:
        value = msgspec.json.decode(data)
        return msgspec.json.encode(_renamed(value))
    except UNREADABLE:
        # The decoder of the request says what is wrong.
        return data


def with_lists(data: bytes) -> bytes | None:
    """Return a request with lists where it has their only member; None if it has no such place."""
    try:
        value = msgspec.json.decode(data)
    except UNREADABLE:
        return None
    if _wrap(value):
        return msgspec.json.encode(value)
    return None


def _wrap(value: Any) -> bool:
    """Make lists, in place, of what should be one; return whether anything changed."""
    has_changed = False
    pending = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending += node
        elif isinstance(node, dict):
            for name, member in node.items():
                if name in _LISTS and isinstance(member, dict | str):
                    node[name] = [member]
                    has_changed = True
            pending += [
                member for name, member in node.items() if name not in _OPAQUE and name not in _MAPS
            ]
    return has_changed


def _renamed(value: Any) -> Any:
    """Rename the members of all objects, in place. Iterative, because a client's nesting may be deep."""
    pending = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending += node
        elif isinstance(node, dict):
            members = list(node.items())
            node.clear()
            for name, member in members:
                renamed = _NEXT_WORD.sub(lambda found: found[1].upper(), name)
                node[renamed] = member
                if renamed in _MAPS and isinstance(member, dict):
                    pending += member.values()
                elif renamed not in _OPAQUE:
                    pending.append(member)
    return value
