"""Responses and their items, as much of them as is read."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from llms_core.contracts.completion import Usage
from llms_core.contracts.json import UNREADABLE, objects
from llms_core.errors import ErrorKind, ProviderError

Json = dict[str, Any]

#: Types of items that call a tool of the client's.
CALLS = ("function_call", "custom_tool_call")


class Incomplete(msgspec.Struct):
    """`incomplete_details`."""

    reason: str | None = None


class Response(msgspec.Struct):
    """A response, whole or so far."""

    id: str | None = None
    status: str | None = None
    output: list[Json] | None = None
    error: Json | None = None
    incomplete_details: Incomplete | None = None
    usage: Raw = Raw()
    service_tier: Any = None


class _Usage(msgspec.Struct):
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    input_tokens_details: Json | None = None
    output_tokens_details: Json | None = None


_usage_decoder: msgspec.json.Decoder[_Usage | None] = msgspec.json.Decoder(_Usage | None)


def usage_of(response: Response) -> Usage | None:
    """Return the token counts; None if there are none, or none that can be read: that must not fail the answer."""
    if not response.usage:
        return None
    try:
        counts = _usage_decoder.decode(response.usage)
    except UNREADABLE:
        return None
    if counts is None:
        return None
    return Usage(
        prompt_tokens=counts.input_tokens,
        completion_tokens=counts.output_tokens,
        total_tokens=counts.total_tokens,
        prompt_tokens_details=counts.input_tokens_details,
        completion_tokens_details=counts.output_tokens_details,
    )


def text_in(item: Json, member: str) -> str:
    """Return a member that should be text; empty if it is not."""
    value = item.get(member)
    if isinstance(value, str):
        return value
    return ""


def objects_in(item: Json, member: str) -> list[Json]:
    """Return the objects of a member that should be a list of objects."""
    return objects(item.get(member))


def bad_response(reason: object) -> ProviderError:
    """Return the error for an answer that cannot be read."""
    return ProviderError(ErrorKind.BAD_RESPONSE, f"The answer is not a valid response: {reason}")
