"""Replaces URLs in content parts by data URIs, for adapters whose provider only takes bytes (SR-036).

`references` and `with_references` are for others who replace what content parts refer to.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from llms_core.contracts.content import Part
from llms_core.contracts.json import decode_members
from llms_core.contracts.request import ChatBody, ChatRequest
from llms_core.errors import Unsupported
from llms_core.operations import FetchMedia

MAX_FILES = 100
"""The most URLs that one request may contain."""

MAX_BYTES = 64 * 1024 * 1024
"""The most bytes that all files of one request may have together."""

_CONCURRENT_FETCHES = 4

_encode = msgspec.json.encode
_decode_items = msgspec.json.Decoder(list[Raw]).decode


async def inline(body: ChatBody, types: frozenset[str], fetch: FetchMedia) -> ChatBody:
    """Return a body in which parts of these types contain data URIs; the same body if none contains a URL.

    Each distinct URL is fetched once. Raises Unsupported if a file cannot be fetched, or if there are too many.
    """
    params: dict[str, str] = {}
    for param, value in references(body.view, types):
        if value[:8].lower().startswith(("http://", "https://")):
            params.setdefault(value, param)
    if not params:
        return body
    if len(params) > MAX_FILES:
        message = (
            f"The request contains {len(params)} URLs of files; at most {MAX_FILES} are fetched"
        )
        raise Unsupported(message, param="messages")
    return with_references(body, types, await _fetch_all(params, fetch))


def references(request: ChatRequest, types: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield each URL and all file data in content parts of these types: (name of the parameter, value)."""
    for message_number, message in enumerate(request.messages):
        if isinstance(message.content, list):
            for part_number, part in enumerate(message.content):
                for member, value in _references_of(part, types):
                    yield f"messages[{message_number}].content[{part_number}].{member}", value


def with_references(
    body: ChatBody, types: frozenset[str], replacements: Mapping[str, str]
) -> ChatBody:
    """Return a body in which references in parts of these types are replaced; those without a replacement stay."""
    messages = [
        _message(raw, message.content, types, replacements)
        for raw, message in zip(
            _decode_items(body.members["messages"]), body.view.messages, strict=True
        )
    ]
    return body.with_members({"messages": Raw(_encode(messages))})


async def _fetch_all(params: Mapping[str, str], fetch: FetchMedia) -> dict[str, str]:
    """Fetch each URL and return its data URI."""
    slots = asyncio.Semaphore(_CONCURRENT_FETCHES)
    remaining_bytes = MAX_BYTES

    async def fetch_one(url: str, param: str) -> str:
        nonlocal remaining_bytes
        async with slots:
            media_type, data = await fetch(url, param)
            remaining_bytes -= len(data)
            if remaining_bytes < 0:
                raise Unsupported(
                    f"The files of the request exceed {MAX_BYTES} bytes in total", param=param
                )
            return f"data:{media_type};base64,{base64.b64encode(data).decode()}"

    tasks = [asyncio.create_task(fetch_one(url, param)) for url, param in params.items()]
    try:
        return dict(zip(params, await asyncio.gather(*tasks), strict=True))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _references_of(part: Part, types: frozenset[str]) -> Iterator[tuple[str, str]]:
    """The references in a part of one of these types, in the member named after the type: (member, value)."""
    if part.type not in types:
        return
    for member, value, _ in part.references():
        if member.partition(".")[0] == part.type:
            yield member, value


# Only the values that change are decoded: every other member of a message stays as the client wrote it.


def _message(
    raw: Raw,
    content: str | list[Part] | None,
    types: frozenset[str],
    replacements: Mapping[str, str],
) -> Raw:
    if not isinstance(content, list):
        return raw
    changes = [_changes_of(part, types, replacements) for part in content]
    if not any(changes):
        return raw
    members = decode_members(raw)
    parts = [
        _part(part, change)
        for part, change in zip(_decode_items(members["content"]), changes, strict=True)
    ]
    return Raw(_encode({**members, "content": parts}))


def _changes_of(
    part: Part, types: frozenset[str], replacements: Mapping[str, str]
) -> dict[str, str]:
    """The members of a part that change, with their new values."""
    return {
        member: replacements[value]
        for member, value in _references_of(part, types)
        if value in replacements
    }


def _part(raw: Raw, changes: Mapping[str, str]) -> Raw:
    members: dict[str, Any] = dict(decode_members(raw))
    for member, value in changes.items():
        name, _, inner = member.partition(".")
        if inner:
            members[name] = {**decode_members(members[name]), inner: value}
        else:
            members[name] = value
    return Raw(_encode(members))
