"""`metadata` in the body of an answer, as llms.py has it: `[server] llms_py` adds it (SR-052)."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, UnsetType

from llms_core.contracts.json import UNREADABLE, decode_members


class Metadata(msgspec.Struct, frozen=True):
    """What llms.py adds to an answer."""

    #: Milliseconds since the request arrived.
    duration: int
    #: `INPUT/OUTPUT`, each in USD per token; UNSET if the price is unknown.
    pricing: str | UnsetType = UNSET


def with_metadata(data: bytes, metadata: Metadata) -> bytes:
    """Return a JSON object with these members in its `metadata`; what a provider has put there stays."""
    members = decode_members(data)
    added = msgspec.json.encode(metadata)
    present = _members_of(members.get("metadata"))
    members["metadata"] = Raw(msgspec.json.encode({**present, **decode_members(added)}))
    return msgspec.json.encode(members)


def _members_of(raw: Raw | None) -> dict[str, Raw]:
    """The members of an object; none of anything else."""
    if raw is None:
        return {}
    try:
        return decode_members(raw)
    except UNREADABLE:
        return {}
