"""Requests of Anthropic's Messages API to Claude through InvokeModel and InvokeModelWithResponseStream, as they are.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html

The model is in the URL, the version of the protocol and the features are in the body, and the events of a stream are
wrapped in AWS's. Bedrock refuses a request with anything that it does not know. Such a request is translated to
Converse, which leaves it out with notice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal

import msgspec
from msgspec import Raw

from llms_core import ErrorKind, ProviderError
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion
from llms_core.contracts.json import decode_members, encode_raw
from llms_core.contracts.native import MESSAGES, NativeRequest
from llms_core.contracts.request import ChatCall
from llms_core.native.message_request import RequestView, features_of, view_of, without_billing
from llms_core.native.messages import MessageEvents, read_message
from llms_providers.bedrock.errors import UNREADABLE, to_error, to_stream_error
from llms_providers.bedrock.models import family_named
from llms_providers.bedrock.parameters import ADAPTIVE_THINKING

_VERSION = "bedrock-2023-05-31"

#: Features that are documented for InvokeModel; it answers an error to any other name.
_FEATURES = frozenset({
    "computer-use-2024-10-22",
    "computer-use-2025-01-24",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "dev-full-thinking-2025-05-14",
    "effort-2025-11-24",
    "fine-grained-tool-streaming-2025-05-14",
    "interleaved-thinking-2025-05-14",
    "output-128k-2025-02-19",
    "token-efficient-tools-2025-02-19",
    "tool-examples-2025-10-29",
    "tool-search-tool-2025-10-19",
})  # fmt: skip

#: Members that are documented for InvokeModel, and the feature that one of them needs.
_MEMBERS = frozenset({
    "anthropic_beta",
    "anthropic_version",
    "context_management",
    "max_tokens",
    "messages",
    "metadata",
    "model",
    "output_config",
    "stop_sequences",
    "stream",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
})  # fmt: skip
_NEEDED_FEATURES = {
    "context_management": "context-management-2025-06-27",
    "output_config": "effort-2025-11-24",
}

#: Members of the client's own tools.
_TOOL_MEMBERS = frozenset({"cache_control", "description", "input_schema", "name", "type"})
#: How the types of Claude's own tools begin that it has on Bedrock.
_TOOL_TYPES = ("bash_", "computer_", "memory_", "text_editor_", "tool_search_tool_")

#: A mark for the cache that is shared with other sessions: only Anthropic's own API has it.
_SCOPED_CACHE = re.compile(rb'"cache_control"\s*:\s*\{[^{}]*"scope"\s*:')

#: Sources of images and documents that Claude has on Bedrock, where it fetches nothing.
_SOURCES = ("", "base64", "content", "text")


def is_accepted(native: NativeRequest, model: str) -> bool:
    """Whether Bedrock's model takes a request as it is."""
    if native.protocol != MESSAGES:
        return False
    view = view_of(native)
    if view is None:
        return False
    family = family_named(model, view.model)
    if family.vendor != "anthropic":
        return False
    # A client that asks for another vendor's model may set parameters that Claude, or this version of it, refuses.
    can_think = family.claude_version >= ADAPTIVE_THINKING or not view.thinks_adaptively
    was_meant_for_it = "claude" in view.model.lower() or (
        can_think and not view.sampling_parameters
    )
    return (
        was_meant_for_it
        and view.fits(is_claude=True, system_messages=False)
        and _is_known(native, view)
    )


def _is_known(native: NativeRequest, view: RequestView) -> bool:
    """Whether Bedrock documents all that is in a request."""
    features = features_of(native)
    members = decode_members(native.body)
    if not _MEMBERS.issuperset(members) or _SCOPED_CACHE.search(native.body):
        return False
    if any(
        name in members and feature not in features for name, feature in _NEEDED_FEATURES.items()
    ):
        return False
    try:
        has_known_tools = all(
            map(_is_known_tool, _decode_tools(members.get("tools", _NO_TOOLS)) or ())
        )
        return has_known_tools and all(source in _SOURCES for source in view.sources())
    except UNREADABLE:
        return False


def _is_known_tool(tool: dict[str, Any]) -> bool:
    type_ = tool.get("type") or "custom"
    if type_ == "custom":
        return _TOOL_MEMBERS.issuperset(tool)
    return isinstance(type_, str) and type_.startswith(_TOOL_TYPES)


def body_of(native: NativeRequest) -> bytes:
    """Return the body for InvokeModel: the client's members, apart from those that belong elsewhere."""
    members = decode_members(without_billing(native.body))
    for name in ("model", "stream"):
        members.pop(name, None)
    members["anthropic_version"] = encode_raw(_VERSION)
    features = [name for name in features_of(native) if name in _FEATURES]
    if features:
        members["anthropic_beta"] = encode_raw(features)
    return msgspec.json.encode(members)


def read_answer(call: ChatCall, body: bytes) -> Completion:
    """Return a message as it is. Raises ProviderError if the body is an error or invalid."""
    return read_message(call, body, _error_in_answer)


_NO_TOOLS = Raw(b"null")
_decode_tools = msgspec.json.Decoder(list[dict[str, Any]] | None).decode


class _Part(msgspec.Struct):
    """An event of InvokeModelWithResponseStream, which holds one of Anthropic's."""

    payload: bytes = msgspec.field(name="bytes")


_decode_part = msgspec.json.Decoder(_Part).decode


class InvokeEvents:
    """Unwraps the events of one stream and passes them on."""

    framing: Literal["aws"] = "aws"

    def __init__(self, call: ChatCall):
        self._events = MessageEvents(call, _error_in_answer)

    def feed(self, event: str, data: bytes) -> Iterable[Chunk]:
        """Return one event as it is. Raises ProviderError if it is an error, invalid or out of order."""
        if event.startswith(("exception:", "error:")):
            raise to_stream_error(event.partition(":")[2], data)
        if event != "chunk":
            return ()
        try:
            part = _decode_part(data)
        except UNREADABLE as error:
            message = f"Cannot parse an event of Bedrock's stream: {error}"
            raise ProviderError(ErrorKind.BAD_RESPONSE, message) from None
        return self._events.feed("", part.payload)


def _error_in_answer(body: bytes) -> ProviderError:
    return to_error(200, {}, body)
