"""Cache points: https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html.

Clients mark a content part, a tool, a call or a message with `cache_control`, as in Anthropic's API. In Bedrock's API,
a cache point is a separate block after what is to be cached.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from llms_core import Unsupported
from llms_core.contracts.request import ChatCall
from llms_core.contracts.tools import Called

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


class _Message(_Marked):
    content: str | list[_Marked] | None = None


AFTER_MESSAGE = -1
"""The number that stands for the end of a message."""


def of_messages(call: ChatCall) -> dict[int, dict[int, Block]]:
    """Return the cache points after content parts, by the numbers of the message and of the part, or AFTER_MESSAGE.

    Raises Unsupported for a malformed `cache_control`.
    """
    raw = call.members["messages"]
    # Most requests have no marks: do not decode their messages once more.
    if b'"cache_control"' not in bytes(raw):
        return {}
    points: dict[int, dict[int, Block]] = {}
    for number, message in enumerate(_decode(raw, list[_Message], "messages")):
        found = _of_parts(message.content) if isinstance(message.content, list) else {}
        if message.cache_control is not None:
            found[AFTER_MESSAGE] = message.cache_control.as_block()
        if found:
            points[number] = found
    return points


def of_call(called: Called) -> list[Block]:
    """Return the cache point after an earlier call, which clients of Anthropic's API mark; none if it has no mark."""
    extra = (called.provider_extra or {}).get("anthropic")
    if not isinstance(extra, dict) or "cache_control" not in extra:
        return []
    control = _decode(
        msgspec.Raw(msgspec.json.encode(extra)), _Marked, "messages[].tool_calls"
    ).cache_control
    return [] if control is None else [control.as_block()]


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
        raise Unsupported(
            f"Invalid value for 'cache_control' in '{param}': {error}", param=param
        ) from None
