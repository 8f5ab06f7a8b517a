"""URLs of content parts -> data URIs, for adapters whose provider takes bytes (SR-036)."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable

import msgspec

from llms_core.contracts.content import Part
from llms_core.contracts.request import ChatRequest, Message

Fetch = Callable[[str, str], Awaitable[tuple[str, bytes]]]
"""(URL, param) -> (media type, bytes)."""


async def inlined(request: ChatRequest, types: frozenset[str], fetch: Fetch) -> ChatRequest:
    """A copy of the request's view with the URLs in parts of these types fetched; the request itself where none has."""
    messages = [await _message(message, number, types, fetch) for number, message in enumerate(request.messages)]
    if all(new is old for new, old in zip(messages, request.messages, strict=True)):
        return request
    return msgspec.structs.replace(request, messages=messages)


async def _message(message: Message, number: int, types: frozenset[str], fetch: Fetch) -> Message:
    if not isinstance(message.content, list):
        return message
    parts = []
    for place, part in enumerate(message.content):
        wanted = part.type in types and any(_is_remote(value) for _, value, _ in part.references())
        parts.append(await _part(part, f"messages[{number}].content[{place}]", fetch) if wanted else part)
    if all(new is old for new, old in zip(parts, message.content, strict=True)):
        return message
    return msgspec.structs.replace(message, content=parts)


async def _part(part: Part, param: str, fetch: Fetch) -> Part:
    member, url, _ = part.references()[0]
    mime, data = await fetch(url, f"{param}.{member}")
    uri = f"data:{mime};base64,{base64.b64encode(data).decode()}"
    name, _, inner = member.partition(".")
    value = getattr(part, name)
    return msgspec.structs.replace(part, **{name: msgspec.structs.replace(value, **{inner: uri}) if inner else uri})


def _is_remote(value: str) -> bool:
    return value[:8].lower().startswith(("http://", "https://"))
