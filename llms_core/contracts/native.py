"""A client's request in its own protocol, for providers that speak the same one.

Chat's JSON is what every adapter understands, and it loses what only one protocol can express. So a dialect whose
protocol providers speak, too, keeps the client's request beside its translation. Such a provider gets the request as
the client wrote it, and the client the answer as the provider wrote it; only the model's name is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from llms_core.contracts.json import decode_members, encode_raw

MESSAGES = "messages"
"""Anthropic's Messages API."""

RESPONSES = "responses"
"""OpenAI's Responses API."""

GENERATE_CONTENT = "generate_content"
"""Gemini's API. The model is in the URL, so its adapters put it there."""


TRANSLATED = "translated"
"""A word in `ChatCall.protocol`: the request is translated, although the provider speaks the client's protocol."""


class NativeRequest(msgspec.Struct, frozen=True):
    """A request that can be passed on: nothing in it is the gateway's own, or another provider's."""

    #: `MESSAGES`, `RESPONSES` or `GENERATE_CONTENT`, or the name that a plugin's dialect and adapter agree on
    protocol: str
    body: bytes
    #: The headers that concern the provider, names in lower case. None of them holds a key.
    headers: Mapping[str, str]

    def with_model(self, model: str) -> bytes:
        """Return the body with another model."""
        return with_model(self.body, model)


#: The member at the beginning of an object, where nearly every client has it.
_FIRST = re.compile(rb'\s*\{\s*"model"\s*:\s*("(?:[^"\\]|\\.)*")')
_NAME = re.compile(rb'"model"\s*:\s*')


def with_model(body: bytes, model: str) -> bytes:
    """Return a JSON object with another value of `model`, and otherwise the same bytes where that is possible."""
    replacement = encode_raw(model)
    first = _FIRST.match(body)
    if first is not None:
        replaced = _spliced(body, first.start(1), first.end(1), replacement)
        # Of a member that is repeated the last one counts, for the gateway and for the provider.
        if decode_members(replaced).get("model") == replacement:
            return replaced
    members = decode_members(body)
    current = bytes(members.get("model", b""))
    name = next(
        (found for found in _NAME.finditer(body) if body.startswith(current, found.end())), None
    )
    if current and name is not None:
        replaced = _spliced(body, name.end(), name.end() + len(current), replacement)
        # The same text may also be somewhere inside, before the member itself.
        if decode_members(replaced).get("model") == replacement:
            return replaced
    members["model"] = replacement
    return msgspec.json.encode(members)


def _spliced(body: bytes, start: int, end: int, replacement: bytes) -> bytes:
    return b"".join((body[:start], replacement, body[end:]))
