"""How a client labels its request: tags, metadata and a user, for records. All of them within limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from llms_core.contracts.body import Members, RequestBody
from llms_core.contracts.json import UNREADABLE
from llms_core.server.request_headers import by_name, tags_of

_MAX_TAGS = 16
_MAX_TAG = 64
# The limits of OpenAI's API.
_MAX_METADATA = 16
_MAX_NAME = 64
_MAX_VALUE = 512
#: A request whose metadata is larger is recorded without.
_MAX_METADATA_BYTES = 64 * 1024
_MAX_SERVICE_TIER = 32

#: A plain object: plugins encode records.
_NO_METADATA: Mapping[str, str] = {}
_TAG_HEADER = b"x-llms-tag"


class Labels(NamedTuple):
    """The labels of one request."""

    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = _NO_METADATA
    user: str | None = None


NO_LABELS = Labels()


def labels_of(scope: Any, body: RequestBody[Any] | None) -> Labels:
    """Return the labels of a request; `body` is None if it could not be decoded."""
    tags: tuple[str, ...] = ()
    # Most requests have none, and their headers are looked up by name anyway.
    if scope and _TAG_HEADER in by_name(scope):
        tags = tuple(dict.fromkeys(tag[:_MAX_TAG] for tag in tags_of(scope["headers"])))[:_MAX_TAGS]
    if body is None:
        return Labels(tags)
    written = body.written
    metadata = _NO_METADATA
    if "metadata" in written:
        metadata = _metadata(written)
    user = _text(written, "user", _MAX_VALUE)
    if user is None:
        # Its successor, and what Anthropic's clients send.
        user = _text(written, "safety_identifier", _MAX_VALUE) or metadata.get("user_id")
    if not tags and not metadata and user is None:
        return NO_LABELS
    return Labels(tags, metadata, user)


def service_tier_of(body: RequestBody[Any]) -> str | None:
    """Return the service tier that a client chose; None if it did not."""
    return _text(body.written, "service_tier", _MAX_SERVICE_TIER)


def _text(members: Members, name: str, max_length: int) -> str | None:
    """Return a member that is a text, cut to a length; None if it is none."""
    raw = members.get(name)
    # A character may take six bytes in JSON.
    if raw is None or len(bytes(raw)) > 12 * max_length:
        return None
    try:
        value = msgspec.json.decode(raw)
    except UNREADABLE:
        return None
    if isinstance(value, str) and value:
        return value[:max_length]
    return None


def _metadata(members: Members) -> Mapping[str, str]:
    """Return the members of `metadata` that are texts, as many as OpenAI's API allows."""
    raw = bytes(members["metadata"])
    if len(raw) > _MAX_METADATA_BYTES:
        return _NO_METADATA
    try:
        found = msgspec.json.decode(raw)
    except UNREADABLE:
        return _NO_METADATA
    if not isinstance(found, dict):
        return _NO_METADATA
    kept: dict[str, str] = {}
    for name, value in found.items():
        if isinstance(value, str) and len(kept) < _MAX_METADATA:
            kept[name[:_MAX_NAME]] = value[:_MAX_VALUE]
    return kept
