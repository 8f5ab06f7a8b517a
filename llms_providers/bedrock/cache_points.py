"""Cache points: https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html.

Clients mark a content part or a tool with `cache_control`, as in Anthropic's API. In Bedrock's API, a cache point is a
separate block after what is to be cached.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from llms_core import Unsupported
from llms_core.contracts.request import ChatCall

T = TypeVar("T")

Block = dict[str, Any]


class _CacheControl(msgspec.Struct):
    #: How long to cache, such as "5m" or "1h".
    ttl: str | None = None

    def as_block(self) -> Block:
        point = {"type": "default"}
        if self.ttl:
            point["ttl"] = self.ttl
        return {"cachePoint": point}


class _Marked(msgspec.Struct):
    """A content part or a tool, of which only the mark matters here."""

    cache_control: _CacheControl | None = None


class _Message(msgspec.Struct):
    content: str | list[_Marked] | None = None


def of_messages(call: ChatCall) -> dict[int, dict[int, Block]]:
    """Return the cache points after content parts, by the numbers of the message and of the part.

    Raises Unsupported for a malformed `cache_control`.
    """
    raw = call.members["messages"]
    # Most requests have no marks: do not decode their messages once more.
    if b'"cache_control"' not in bytes(raw):
        return {}
    points: dict[int, dict[int, Block]] = {}
    for number, message in enumerate(_decode(raw, list[_Message], "messages")):
        if isinstance(message.content, list):
            points[number] = _of_parts(message.content)
    return points


def of_tools(call: ChatCall) -> list[Block | None]:
    """Return the cache point after each tool, or None. Raises Unsupported for a malformed `cache_control`."""
    points = []
    for raw in call.request.tools or ():
        control = _decode(raw, _Marked, "tools").cache_control
        points.append(control.as_block() if control is not None else None)
    return points


def _of_parts(parts: list[_Marked]) -> dict[int, Block]:
    points = {}
    for place, part in enumerate(parts):
        if part.cache_control is not None:
            points[place] = part.cache_control.as_block()
    return points


def _decode(raw: msgspec.Raw, type_: type[T], param: str) -> T:
    try:
        return msgspec.json.decode(raw, type=type_)
    except msgspec.ValidationError as error:
        raise Unsupported(f"Invalid value for 'cache_control' in '{param}': {error}", param=param) from None
