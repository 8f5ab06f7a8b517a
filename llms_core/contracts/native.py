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


TRANSLATED = "translated"
"""A word in `ChatCall.protocol`: the request is translated, although the provider speaks the client's protocol."""


class NativeRequest(msgspec.Struct, frozen=True):
    """A request that can be passed on: nothing in it is the gateway's own, or another provider's."""

    #: `MESSAGES` or `RESPONSES`, or the name that a plugin's dialect and adapter agree on
    protocol: str
    body: bytes
    #: The headers that concern the provider, names in lower case. None of them holds a key.
    headers: Mapping[str, str]

    def with_model(self, model: str) -> bytes:
        """Return the body with another model."""
        return with_model(self.body, model)


_NAME = re.compile(rb'"model"\s*:\s*')


def with_model(body: bytes, model: str) -> bytes:
    """Return a JSON object with another value of `model`, and otherwise the same bytes where that is possible."""
    members = decode_members(body)
    replacement = encode_raw(model)
    current = bytes(members.get("model", b""))
    if current == replacement:
        return body
    name = next((found for found in _NAME.finditer(body) if body.startswith(current, found.end())), None)
    if current and name is not None:
        replaced = b"".join((body[: name.end()], replacement, body[name.end() + len(current) :]))
        # The same text may also be somewhere inside, before the member itself.
        if body[: name.start()].strip() == b"{" or decode_members(replaced).get("model") == replacement:
            return replaced
    members["model"] = replacement
    return msgspec.json.encode(members)
