"""Checks that a method of an adapter leaves its arguments unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec

from llms_core.contracts.request import ChatCall


def _parts_of_call(call: ChatCall) -> Mapping[str, bytes]:
    """Encode what an adapter could modify in a call, although the call itself is immutable."""
    return {
        "call.members": msgspec.json.encode(dict(call.members)),
        "call.request": msgspec.json.encode(call.request),
    }


@contextmanager
def unmodified(call: ChatCall, method: str) -> Iterator[None]:
    """Assert that the block, which calls a method of an adapter, leaves the call unchanged."""
    before = _parts_of_call(call)
    yield
    after = _parts_of_call(call)
    for part, encoded in before.items():
        assert after[part] == encoded, (
            f"`{method}` must not modify its arguments, but it changed `{part}` from {encoded!r} to {after[part]!r}; "
            "change a copy: call.body.copy_members() returns one of the members, list(call.request.messages) one of "
            "the messages"
        )
