"""Whether a request can be passed on as it is to a provider of the same protocol, and which headers go with it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from llms_core.contracts.tool_call_ids import COMMON_ID
from llms_core.dialects import RawHeaders
from llms_core.dialects.envelope import is_sealed
from llms_core.dialects.messages.request import MessagesRequest

#: Everything else is between the client and the gateway, above all the keys.
_FORWARDED = {
    b"anthropic-version": re.compile(r"[A-Za-z0-9.-]{1,40}"),
    b"anthropic-beta": re.compile(r"[A-Za-z0-9., _-]+"),
}


def is_own(view: MessagesRequest) -> bool:
    """Whether nothing in the conversation is the gateway's, or of a provider that speaks another protocol.

    Servers of this protocol refuse calls without a name, whose input is no object, or whose ids repeat or have other
    characters: only another model can have made them.
    """
    call_ids = set()
    for message in view.messages:
        if isinstance(message.content, str):
            continue
        for block in message.content:
            if block.type == "text":
                # Models answer with empty texts, which no server accepts when they come back.
                if not block.text and message.role == "assistant":
                    return False
                continue
            if is_sealed(block.signature or block.data):
                return False
            call_id = block.tool_use_id if block.type == "tool_result" else block.id
            if call_id is not None and not COMMON_ID.fullmatch(call_id):
                return False
            if block.type == "tool_use":
                if not block.name or call_id in call_ids or not bytes(block.input).startswith(b"{"):
                    return False
                call_ids.add(call_id)
    return True


def forwarded_headers(headers: RawHeaders) -> Mapping[str, str]:
    """Return the headers that concern the provider, if their values can be any; features may be in several headers."""
    found: dict[str, str] = {}
    for name, value in headers:
        pattern = _FORWARDED.get(name)
        text = value.decode("latin-1")
        if pattern is None or not pattern.fullmatch(text):
            continue
        key = name.decode()
        found[key] = f"{found[key]},{text}" if key in found and name == b"anthropic-beta" else text
    return found
