"""`encrypted_content` of reasoning items: what a provider has to get back and the item has no member for.

The content is an envelope around the members of the operation's messages: the reasoning, `provider_extra`, and what
belongs to tool calls, such as signatures. They name their owner themselves, and adapters drop what is not theirs. So
the server needs neither state nor a key, and the envelope opens on every worker and after every restart.
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from llms_core.contracts.json import UNREADABLE

#: A recognizable beginning, with the version of the format. What begins otherwise is another server's.
_PREFIX = "llms1."


class Envelope(msgspec.Struct, omit_defaults=True):
    """The contents."""

    #: `reasoning_content` of the message
    reasoning: str = ""
    #: `provider_extra` of the message
    provider_extra: dict[str, Any] = {}
    #: further members of tool calls (`extra_content`, `provider_extra`), by the id of the call
    calls: dict[str, dict[str, Any]] = {}

    def __bool__(self) -> bool:
        return bool(self.reasoning or self.provider_extra or self.calls)


_decode = msgspec.json.Decoder(Envelope).decode


def sealed(envelope: Envelope) -> str:
    """Return an envelope as text."""
    return _PREFIX + base64.urlsafe_b64encode(msgspec.json.encode(envelope)).decode()


def opened(text: str) -> Envelope | None:
    """Return the contents of an envelope; None if another server made it, or somebody has changed it."""
    if not text.startswith(_PREFIX):
        return None
    try:
        return _decode(base64.urlsafe_b64decode(text[len(_PREFIX) :]))
    except (ValueError, *UNREADABLE):
        return None
