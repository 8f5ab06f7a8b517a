"""Parameters of a request that only some providers understand, and that chat's JSON has no member for.

A dialect writes them to the member `provider_extra` of a request: for each parameter, under the client's name for it,
the members that stand for it at each owner. A provider names the owners that it understands in `ProviderSpec.extras`;
for every other one the parameter is left out and reported, or the request is refused if it depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from llms_core.contracts.body import RequestBody
from llms_core.contracts.json import UNREADABLE, encode_raw, is_null
from llms_core.errors import Unsupported

EXTRAS = "provider_extra"
"""The member of a request that holds them."""

HINTS = "hints"
"""The owner for parameters of chat completions that a provider may ignore if the model lacks them.

They come from another API's parameters, so a provider that rejects them must not get them.
"""

EFFORT = "reasoning_effort"
"""The owner for an effort that every model of OpenAI's accepts that reasons, and no other: a provider need not name it.

It applies to the models that `RequestRules.reasoning_effort` lists.
"""

ANYONE = ""
"""The owner for every provider that understands none of the others."""


class Extra(msgspec.Struct, omit_defaults=True):
    """One parameter."""

    #: owner -> the members that replace the request's; null removes one
    members: dict[str, dict[str, Any]]
    #: why the request cannot be served without it; empty if it can be left out
    required: str = ""


class _RawExtra(msgspec.Struct):
    members: dict[str, dict[str, Raw]]
    required: str = ""


_decode_raw = msgspec.json.Decoder(dict[str, _RawExtra]).decode


def encoded(extras: Mapping[str, Extra]) -> Raw:
    """Return the member for a request."""
    return encode_raw(extras)


def applied(
    body: RequestBody[Any], owners: frozenset[str]
) -> tuple[RequestBody[Any], tuple[str, ...]]:
    """Return the request as a provider gets it that understands `owners`, and the names of what it lacks.

    Raises Unsupported if it lacks a required parameter. A member that no dialect has written is left as it is.
    """
    try:
        extras = _decode_raw(body.members[EXTRAS])
    except UNREADABLE:
        return body, ()
    changes: dict[str, Raw | None] = {EXTRAS: None}
    dropped: list[str] = []
    for name, extra in extras.items():
        known = [owner for owner in extra.members if owner in owners] or [ANYONE]
        if known[0] not in extra.members:
            if extra.required:
                raise Unsupported(extra.required, param=name)
            dropped.append(name)
        for owner in known:
            for member, value in extra.members.get(owner, {}).items():
                changes[member] = None if is_null(value) else value
    return body.with_members(changes), tuple(dropped)
