"""Whether a request can be passed on as it is to a provider of the same protocol, and which headers go with it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from llms_core.dialects import RawHeaders
from llms_core.dialects.envelope import may_hold_envelope
from llms_core.dialects.messages.request import MessagesRequest

#: Anthropic refuses other ids of calls, which other providers have given.
_CALL_ID = re.compile(r"[a-zA-Z0-9_-]+")

#: Everything else is between the client and the gateway, above all the keys.
_FORWARDED = frozenset({b"anthropic-version", b"anthropic-beta"})


def is_own(view: MessagesRequest, data: bytes) -> bool:
    """Whether nothing in the conversation is the gateway's, or of a provider that speaks another protocol."""
    if may_hold_envelope(data):
        return False
    for message in view.messages:
        if isinstance(message.content, str):
            continue
        for block in message.content:
            call_id = block.tool_use_id if block.type == "tool_result" else block.id
            if call_id is not None and not _CALL_ID.fullmatch(call_id):
                return False
    return True


def forwarded_headers(headers: RawHeaders) -> Mapping[str, str]:
    """Return the headers that concern the provider; one that is repeated is joined."""
    found: dict[str, str] = {}
    for name, value in headers:
        if name in _FORWARDED:
            key = name.decode()
            text = value.decode("latin-1")
            found[key] = f"{found[key]},{text}" if key in found else text
    return found
