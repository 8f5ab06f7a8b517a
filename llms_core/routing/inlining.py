"""URLs of content parts -> data URIs, for adapters whose provider takes bytes (SR-036)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterator, Mapping

import msgspec

from llms_core.contracts.content import Part
from llms_core.contracts.request import ChatRequest, Message
from llms_core.errors import Unsupported

Fetch = Callable[[str, str], Awaitable[tuple[str, bytes]]]
"""(URL, param) -> (media type, bytes)."""

MOST = 100
"""Files that one request may name."""

LARGEST = 64 * 1024 * 1024
"""Bytes that the files of one request may have together."""

_AT_ONCE = 4


async def inlined(request: ChatRequest, types: frozenset[str], fetch: Fetch) -> ChatRequest:
    """A copy of the request's view with the URLs in parts of these types fetched; the request itself where none has.

    A URL that is named twice is fetched once. Raises Unsupported where one cannot be had, or there is too much.
    """
    named: dict[str, str] = {}
    for param, part in _parts(request):
        for member, url in _remote(part, types):
            named.setdefault(url, f"{param}.{member}")
    if not named:
        return request
    if len(named) > MOST:
        raise Unsupported(f"The request names {len(named)} files by URL; {MOST} may be fetched", param="messages")
    found = await _fetched(named, fetch)
    messages = [_message(message, types, found) for message in request.messages]
    return msgspec.structs.replace(request, messages=messages)


async def _fetched(named: Mapping[str, str], fetch: Fetch) -> dict[str, str]:
    """Each URL's data URI."""
    turns, room = asyncio.Semaphore(_AT_ONCE), LARGEST

    async def one(url: str, param: str) -> str:
        nonlocal room
        async with turns:
            kind, data = await fetch(url, param)
            room -= len(data)
            if room < 0:
                raise Unsupported(f"The files that the request names have over {LARGEST} bytes together", param=param)
            return f"data:{kind};base64,{base64.b64encode(data).decode()}"

    tasks = [asyncio.create_task(one(url, param)) for url, param in named.items()]
    try:
        return dict(zip(named, await asyncio.gather(*tasks), strict=True))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _parts(request: ChatRequest) -> Iterator[tuple[str, Part]]:
    for number, message in enumerate(request.messages):
        if isinstance(message.content, list):
            for place, part in enumerate(message.content):
                yield f"messages[{number}].content[{place}]", part


def _remote(part: Part, types: frozenset[str]) -> Iterator[tuple[str, str]]:
    """The http(s) URL that a part of one of these types has in the member of its type: (member, URL)."""
    if part.type in types:
        for member, value, _ in part.references():
            if member.partition(".")[0] == part.type and value[:8].lower().startswith(("http://", "https://")):
                yield member, value


def _message(message: Message, types: frozenset[str], found: Mapping[str, str]) -> Message:
    if not isinstance(message.content, list):
        return message
    return msgspec.structs.replace(message, content=[_part(part, types, found) for part in message.content])


def _part(part: Part, types: frozenset[str], found: Mapping[str, str]) -> Part:
    for member, url in _remote(part, types):
        name, _, inner = member.partition(".")
        value = getattr(part, name)
        inside = msgspec.structs.replace(value, **{inner: found[url]}) if inner else found[url]
        part = msgspec.structs.replace(part, **{name: inside})
    return part
