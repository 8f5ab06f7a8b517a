"""Who made the signed parts of an earlier answer, such as thinking: only its owner accepts them.

Providers sign what a model thought and refuse a request with a signature that they cannot verify. So an adapter names
the owner beside the signed parts, in its part of `provider_extra`, and sends back only what its provider would accept.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

import msgspec

#: How many characters of a signature are decoded: a multiple of four that holds every header.
_HEAD = 32

#: From the URL-safe alphabet of base64 to the standard one.
_TO_STANDARD = str.maketrans("-_", "+/")

#: How the signatures of Claude begin, decoded: a message of Protocol Buffers. Its field 2 is the signature, after a
#: version since 2026, and starts with a header.
_CLAUDES = re.compile(
    rb"(?:\x08[\x00-\x7f])?\x12[\x80-\xff]*[\x00-\x7f]\x0a[\x80-\xff]*[\x00-\x7f](?:\x08[\x00-\x7f])?\x18"
)

_FIRST_WORD = re.compile(r"[a-z]*")


class Owner(msgspec.Struct, frozen=True):
    """A provider and a family of its models. It is encoded as it is, as the member `owner`."""

    #: the provider's name in llms.json
    provider: str
    #: models that accept each other's signatures
    family: str


def owner_in(extra: Mapping[str, Any]) -> Owner | None:
    """Return the owner that an adapter named in its part of `provider_extra`; None if there is none."""
    try:
        return msgspec.convert(extra.get("owner"), Owner)
    except msgspec.ValidationError:
        return None


def first_word(model: str) -> str:
    """Return the first word of a model's name, without its vendor: `kimi` for `moonshotai/Kimi-K3`."""
    found = _FIRST_WORD.match(model.rpartition("/")[2].lower())
    return found[0] if found else ""


def head_of(signature: object) -> bytes:
    """Return the first bytes of a signature, which tell its format; none if it is not base64."""
    if not isinstance(signature, str):
        return b""
    head = signature[:_HEAD].translate(_TO_STANDARD).rstrip("=")
    try:
        # Some leave the padding out.
        return base64.b64decode(head + "=" * (-len(head) % 4), validate=True)
    except ValueError:
        return b""


def is_claudes(signature: object) -> bool:
    """Whether a signature is one of Claude's, as far as its form tells."""
    return _CLAUDES.match(head_of(signature)) is not None
