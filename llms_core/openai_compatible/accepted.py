"""What RequestRules accept in messages, tool calls and content parts: as sets of names, and as types to decode into.

A type recognizes what needs no change in one pass, without looking at every member in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Union

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from llms_core.contracts.content import Part
from llms_core.contracts.json import ABSENT
from llms_core.contracts.request import CommonToolCall, Role
from llms_core.provider import ANY_MEMBER, RequestRules

#: Members of OpenAI's own that every provider accepts.
_MESSAGE = frozenset({"role", "content", "tool_calls", "tool_call_id", "function_call"})
_TOOL_CALL = frozenset({"id", "type", "function", "custom"})
_PART = frozenset(Part.__struct_fields__) | {"document_url", "document_name", "thinking"}

_ROLES: tuple[Role, ...] = ("system", "developer", "user", "assistant", "tool", "function")

#: Members of answers that clients send back, and that ANY_MEMBER does not include.
OWN_MEMBERS = frozenset({"provider_extra", "extra_content", "reasoning_content"})


class AcceptedNames:
    """The names of the members that a provider accepts in one place."""

    def __init__(self, rules: RequestRules, place: str, common: frozenset[str]):
        named = {name.removeprefix(f"{place}.") for name in rules.members}
        self.is_open = ANY_MEMBER in named
        #: those beside the common ones
        self.further = {name for name in named - common - {ANY_MEMBER} if "." not in name}
        self._names = common | self.further

    def __contains__(self, name: str) -> bool:
        return name in self._names or (self.is_open and name not in OWN_MEMBERS)

    def rejected(self, members: Iterable[str]) -> list[str]:
        """Return the names that are not accepted."""
        return [name for name in members if name not in self]


class Accepted:
    """What a provider accepts in each place."""

    def __init__(self, rules: RequestRules):
        self.by_role = {role: AcceptedNames(rules, role, _MESSAGE) for role in _ROLES}
        # The name is what a result of this old kind has instead of an id.
        self.by_role["function"] = AcceptedNames(rules, "function", _MESSAGE | {"name"})
        self.tool_calls = AcceptedNames(rules, "tool_calls", _TOOL_CALL)
        self.parts = AcceptedNames(rules, "parts", _PART)
        roles = [role for role in _ROLES if role != "developer" or rules.developer]
        #: Decodes a list of messages in which no member has to be removed. Does not check what is in tool calls.
        self.decode_messages: Callable[[Raw], Any] = msgspec.json.Decoder(
            self._messages(roles)
        ).decode
        #: Decodes a list of tool calls of which only the ids and the arguments are left to check.
        self.decode_tool_calls: Callable[[bytes], list[CommonToolCall]]
        self.decode_tool_calls = msgspec.json.Decoder(list[self._tool_call()]).decode  # type: ignore[misc]

    def _messages(self, roles: Iterable[Role]) -> Any:
        part = _struct("Part", self.parts, [(name, Raw, ABSENT) for name in sorted(_PART)])
        types = []
        for role in roles:
            fields: list[_Field] = [
                ("content", str | list[part] | None, None),  # type: ignore[valid-type]
                ("tool_calls", Annotated[list[Raw], Meta(min_length=1)], ()),
                ("tool_call_id", str, ""),
                ("function_call", dict[str, Any], {}),
            ]
            if role == "function":
                fields.append(("name", str, ""))
            types.append(_struct(role, self.by_role[role], fields, tag_field="role", tag=role))
        # At run time, there is no other way to write a union of the items of a tuple.
        return list[Union[tuple(types)]]  # type: ignore[misc]  # noqa: UP007

    def _tool_call(self) -> Any:
        return _struct(
            "ToolCall", self.tool_calls, [], bases=(CommonToolCall,), frozen=True, gc=False
        )


#: name, type and default
_Field = tuple[str, Any, Any]


def _struct(name: str, accepted: AcceptedNames, fields: Iterable[_Field], **options: Any) -> Any:
    """Return a struct for objects with the given members, the accepted ones, and others only if any is accepted."""
    fields = list(fields)
    # Names from a file need not be identifiers.
    names = {}
    further: list[_Field] = [(member, Raw, ABSENT) for member in sorted(accepted.further)]
    if accepted.is_open:
        further += [(member, UnsetType, UNSET) for member in sorted(OWN_MEMBERS - accepted.further)]
    for number, (member, type_, default) in enumerate(further):
        names[f"further_{number}"] = member
        fields.append((f"further_{number}", type_, default))
    return msgspec.defstruct(
        name,
        fields,
        rename=names,
        forbid_unknown_fields=not accepted.is_open,
        kw_only=True,
        **options,
    )
