"""Names of functions that OpenAI's API refuses: they are sent as others, and restored in answers.

OpenAI and most servers of its API accept 64 letters, digits, underscores and hyphens. Clients of other APIs, and tools
of MCP servers, have longer names, or names with dots and slashes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import msgspec
from msgspec import Raw

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion
from llms_core.contracts.function_names import FunctionNames, NameRule
from llms_core.contracts.json import decode_members, encode_raw
from llms_core.contracts.request import ChatCall, CommonMessage, Message
from llms_core.provider import ChunkTranslator, Framing

RULE = NameRule(characters="a-zA-Z0-9_-", first="a-zA-Z0-9_-")

#: A name that may have to be changed; also matches in a schema, where nothing is changed.
_REFUSED = re.compile(rb'"name"\s*:\s*"(?![a-zA-Z0-9_-]{1,64}")')
#: The beginning of nearly every tool. Agents send many, with long schemas, which need not be searched.
_USUAL_TOOL = re.compile(
    rb'\{\s*"type"\s*:\s*"function"\s*,\s*"function"\s*:\s*\{\s*"name"\s*:\s*"[a-zA-Z0-9_-]{1,64}"'
)
_REFUSED_NAME = re.compile(r"(?![a-zA-Z0-9_-]{1,64}\Z)")

_decode_objects = msgspec.json.Decoder(list[dict[str, Raw]]).decode
_decode_name = msgspec.json.Decoder(str).decode

Translate = Callable[[str], str]


def renamed_functions(call: ChatCall) -> FunctionNames | None:
    """Return the translation of a call's names; None if none needs any, as for nearly every call."""
    request = call.request
    if any(map(_is_refused, request.tools or ())):
        return FunctionNames(call, RULE)
    for message in request.messages:
        # Most messages have no calls.
        if message.tool_calls and _calls_refused(message):
            return FunctionNames(call, RULE)
    return None


def _is_refused(tool: Raw) -> bool:
    return _USUAL_TOOL.match(tool) is None and _REFUSED.search(tool) is not None


def _calls_refused(message: Message) -> bool:
    if isinstance(message, CommonMessage):
        return any(_REFUSED_NAME.match(call.function.name) for call in message.tool_calls or ())
    return any(_REFUSED.search(call) for call in message.tool_calls or ())


def rename_functions(members: dict[str, Raw], names: FunctionNames) -> None:
    """Translate the names in the members of a request, in place."""
    # The request's own tools first: a name that is derived from another must not be one of theirs.
    for name in ("tools", "messages", "tool_choice"):
        if name in members:
            members[name] = _RENAMED[name](members[name], names.to_provider)


def renamed_call(call: ChatCall, names: FunctionNames) -> ChatCall:
    """Return a call in which the names are translated."""
    members = call.body.copy_members()
    rename_functions(members, names)
    changes: dict[str, Raw | None] = {name: members[name] for name in _RENAMED if name in members}
    return msgspec.structs.replace(call, body=call.body.with_members(changes))


def restored_completion(completion: Completion, names: FunctionNames) -> Completion:
    """Return an answer with the client's names."""
    members = decode_members(completion.data)
    members["choices"] = restored(members["choices"], names)
    return Completion(msgspec.json.encode(members), completion.usage)


class RestoredChunks:
    """Restores the names in the chunks of another translator."""

    def __init__(self, translator: ChunkTranslator, names: FunctionNames):
        self._translator = translator
        self._names = names

    @property
    def framing(self) -> Framing:
        """How the provider separates the stream into events."""
        return self._translator.framing

    def feed(self, event: str, data: bytes) -> Iterable[Chunk]:
        """Return the chunks that one event contains. Raises ProviderError."""
        return [self._restored(chunk) for chunk in self._translator.feed(event, data)]

    def _restored(self, chunk: Chunk) -> Chunk:
        if b'"tool_calls"' not in chunk.data:
            return chunk
        members = decode_members(chunk.data)
        members["choices"] = restored(members["choices"], self._names)
        return msgspec.structs.replace(chunk, data=msgspec.json.encode(members))


def restored(choices: Raw, names: FunctionNames) -> Raw:
    """Return the choices of an answer, or of a chunk, with the client's names."""
    found = _decode_objects(choices)
    for choice in found:
        for holder in ("message", "delta"):
            if holder in choice:
                choice[holder] = _in_message(choice[holder], names.to_client)
    return encode_raw(found)


def _in_messages(messages: Raw, translate: Translate) -> Raw:
    return encode_raw(
        [_in_message(encode_raw(message), translate) for message in _decode_objects(messages)]
    )


def _in_message(message: Raw, translate: Translate) -> Raw:
    if not bytes(message).startswith(b"{"):
        return message
    members = decode_members(message)
    calls = members.get("tool_calls")
    if calls is not None and bytes(calls).startswith(b"["):
        members["tool_calls"] = _in_functions(calls, translate)
    if members.get("role") == b'"tool"' and _is_text(members.get("name")):
        members["name"] = _translated(members["name"], translate)
    return encode_raw(members)


def _in_choice(choice: Raw, translate: Translate) -> Raw:
    if not bytes(choice).startswith(b"{"):
        return choice
    members = decode_members(choice)
    _rename_function(members, translate)
    if "allowed_tools" in members:
        allowed = decode_members(members["allowed_tools"])
        if "tools" in allowed:
            allowed["tools"] = _in_functions(allowed["tools"], translate)
        members["allowed_tools"] = encode_raw(allowed)
    return encode_raw(members)


def _in_functions(entries: Raw, translate: Translate) -> Raw:
    """Translate the names in tools, or in calls of them."""
    found = _decode_objects(entries)
    for entry in found:
        _rename_function(entry, translate)
    return encode_raw(found)


def _rename_function(entry: dict[str, Raw], translate: Translate) -> None:
    function = entry.get("function")
    if function is None or not bytes(function).startswith(b"{"):
        return
    members = decode_members(function)
    if _is_text(members.get("name")):
        members["name"] = _translated(members["name"], translate)
        entry["function"] = encode_raw(members)


def _translated(name: Raw, translate: Translate) -> Raw:
    return encode_raw(translate(_decode_name(name)))


def _is_text(raw: Raw | None) -> bool:
    # Only the first fragment of a streamed call has a name. In others it may be null.
    return raw is not None and bytes(raw).startswith(b'"')


_RENAMED: dict[str, Callable[[Raw, Translate], Raw]] = {
    "tools": _in_functions,
    "messages": _in_messages,
    "tool_choice": _in_choice,
}
