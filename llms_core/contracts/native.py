"""A client's request in its own protocol, for providers that speak the same one.

Chat's JSON is what every adapter understands, and it loses what only one protocol can express. So a dialect whose
protocol providers speak, too, keeps the client's request beside its translation. Such a provider gets the request as
the client wrote it, and the client the answer as the provider wrote it; only the model's name is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec
from msgspec import Raw

from llms_core.contracts.json import decode_members, encode_raw

MESSAGES = "messages"
"""Anthropic's Messages API."""

RESPONSES = "responses"
"""OpenAI's Responses API."""


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


def with_model(body: bytes, model: str) -> bytes:
    """Return a JSON object with another value of `model`, and otherwise the same bytes where that is possible."""
    members = decode_members(body)
    replacement = encode_raw(model)
    current = bytes(members.get("model", b""))
    if current == replacement:
        return body
    found = list(re.finditer(rb'"model"\s*:\s*' + re.escape(current), body)) if current else []
    if len(found) == 1:
        end = found[0].end()
        return b"%b%b%b" % (body[: end - len(current)], replacement, body[end:])
    # The same text is also somewhere inside: only decoding tells which is which.
    members["model"] = Raw(replacement)
    return msgspec.json.encode(members)
