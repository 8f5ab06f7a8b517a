"""Requests in Gemini's own protocol that are passed on as the client wrote them."""

from __future__ import annotations

import re

import msgspec

from llms_core.contracts.json import UNREADABLE

#: In either of the spellings that Google takes.
_HAS_CALL = re.compile(rb'"function_?[cC]all"\s*:')


class _Part(msgspec.Struct):
    functionCall: msgspec.Raw = msgspec.Raw()  # noqa: N815
    function_call: msgspec.Raw = msgspec.Raw()
    thoughtSignature: str | None = None  # noqa: N815
    thought_signature: str | None = None

    @property
    def is_call(self) -> bool:
        return bool(self.functionCall or self.function_call)

    @property
    def is_signed(self) -> bool:
        return bool(self.thoughtSignature or self.thought_signature)


class _Content(msgspec.Struct):
    parts: list[_Part] | None = None
    role: str | None = None


class _Request(msgspec.Struct):
    contents: list[_Content]


_decode = msgspec.json.Decoder(_Request).decode


def has_unsigned_calls(body: bytes) -> bool:
    """Whether the first call of a turn has no signature: Gemini 3 refuses the request then.

    Such a turn is another model's.
    """
    if _HAS_CALL.search(body) is None:
        return False
    try:
        contents = _decode(body).contents
    except UNREADABLE:
        return True
    for content in contents:
        calls = [part for part in content.parts or () if part.is_call]
        if calls and not calls[0].is_signed:
            return True
    return False


def has_roles(body: bytes) -> bool:
    """Whether every turn has a role, which Vertex AI requires and the Gemini API does not."""
    try:
        return all(content.role for content in _decode(body).contents)
    except UNREADABLE:
        return False
