"""Replaces URLs in content parts by data URIs, for adapters whose provider only takes bytes (SR-036)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from llms_core.contracts.content import Part
from llms_core.contracts.request import ChatBody, ChatRequest
from llms_core.errors import Unsupported
from llms_core.operations import FetchMedia

MAX_FILES = 100
"""The most URLs that one request may contain."""

MAX_BYTES = 64 * 1024 * 1024
"""The most bytes that all files of one request may have together."""

_CONCURRENT_FETCHES = 4

_encode = msgspec.json.encode
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_items = msgspec.json.Decoder(list[Raw]).decode


async def inline(body: ChatBody, types: frozenset[str], fetch: FetchMedia) -> ChatBody:
    """Return a body in which parts of these types contain data URIs; the same body if none contains a URL.

    Each distinct URL is fetched once. Raises Unsupported if a file cannot be fetched, or if there are too many.
    """
    params: dict[str, str] = {}
    for param, part in _parts(body.view):
        for member, url in _remote_urls(part, types):
            params.setdefault(url, f"{param}.{member}")
    if not params:
        return body
    if len(params) > MAX_FILES:
        message = f"The request contains {len(params)} URLs of files; at most {MAX_FILES} are fetched"
        raise Unsupported(message, param="messages")
    data_uris = await _fetch_all(params, fetch)
    messages = [
        _inline_message(raw, message.content, types, data_uris)
        for raw, message in zip(_decode_items(body.members["messages"]), body.view.messages, strict=True)
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
                raise Unsupported(f"The files of the request exceed {MAX_BYTES} bytes in total", param=param)
            return f"data:{media_type};base64,{base64.b64encode(data).decode()}"

    tasks = [asyncio.create_task(fetch_one(url, param)) for url, param in params.items()]
    try:
        return dict(zip(params, await asyncio.gather(*tasks), strict=True))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _parts(request: ChatRequest) -> Iterator[tuple[str, Part]]:
    for message_number, message in enumerate(request.messages):
        if isinstance(message.content, list):
            for part_number, part in enumerate(message.content):
                yield f"messages[{message_number}].content[{part_number}]", part


def _remote_urls(part: Part, types: frozenset[str]) -> Iterator[tuple[str, str]]:
    """The http(s) URLs in a part of one of these types, in the member named after the type: (member, URL)."""
    if part.type not in types:
        return
    for member, value, _ in part.references():
        is_remote = value[:8].lower().startswith(("http://", "https://"))
        if is_remote and member.partition(".")[0] == part.type:
            yield member, value


# Only the values that change are decoded: every other member of a message stays as the client wrote it.


def _inline_message(
    raw: Raw, content: str | list[Part] | None, types: frozenset[str], data_uris: Mapping[str, str]
) -> Raw:
    if not isinstance(content, list) or not any(_has_url(part, types) for part in content):
        return raw
    members = _decode_members(raw)
    raw_parts = _decode_items(members["content"])
    parts = [_inline_part(raw, part, types, data_uris) for raw, part in zip(raw_parts, content, strict=True)]
    return Raw(_encode({**members, "content": parts}))


def _has_url(part: Part, types: frozenset[str]) -> bool:
    return next(_remote_urls(part, types), None) is not None


def _inline_part(raw: Raw, part: Part, types: frozenset[str], data_uris: Mapping[str, str]) -> Raw:
    members: dict[str, Any] = dict(_decode_members(raw))
    for member, url in _remote_urls(part, types):
        name, _, inner = member.partition(".")
        if inner:
            members[name] = {**_decode_members(members[name]), inner: data_uris[url]}
        else:
            members[name] = data_uris[url]
    return Raw(_encode(members))
