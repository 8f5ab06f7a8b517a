"""A JSON request body that is both raw bytes and a typed view, and never two different things."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

import msgspec
from msgspec import Raw

View = TypeVar("View")

Members = Mapping[str, Raw]
"""The top-level members of a JSON object, each as the bytes that were received."""


class RequestBody(Generic[View]):
    """A request body: `members` are its bytes as the client wrote them, `view` is their typed view.

    The members are the single source of truth. A body is immutable: `with_members` returns a new one and decodes its
    view again, so that a changed message, default or parameter is always what is sent.
    """

    __slots__ = ("_decode_view", "_members", "members", "view")

    def __init__(self, members: dict[str, Raw], view: View, decode_view: Callable[[bytes], View]):
        self._members = members
        self._decode_view = decode_view
        self.members: Members = MappingProxyType(members)
        self.view = view

    def with_members(self, changes: Mapping[str, Raw | None]) -> RequestBody[View]:
        """A body with some members replaced; None removes a member.

        Raises msgspec.ValidationError if a new value does not fit the view.
        """
        members = self.copy_members()
        for name, value in changes.items():
            if value is None:
                members.pop(name, None)
            else:
                members[name] = value
        view = self._decode_view(msgspec.json.encode(members))
        return RequestBody(members, view, self._decode_view)

    def copy_members(self) -> dict[str, Raw]:
        """The members as a new dictionary, for an adapter to change and encode."""
        return self._members.copy()
