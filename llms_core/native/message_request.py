"""What decides whether a server of Anthropic's protocol takes a client's request for a message as it is.

The client's own mistakes are its own, and so is the server's refusal. But a conversation that another model has begun
may hold what this one refuses: the adapter's translation leaves that out, so such a request is translated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Raw

from llms_core.contracts.json import UNREADABLE, decode_members, encode_raw
from llms_core.contracts.native import NativeRequest
from llms_core.contracts.signatures import is_claudes

#: Claude Code's first system block changes with each request. Anthropic's own API leaves it out of the prompt; anywhere
#: else it would spoil the prompt's cache.
BILLING_BLOCK = "x-anthropic-billing-header:"

THINKING_BLOCKS = ("thinking", "redacted_thinking")

#: The characters of a user's id that Anthropic accepts.
_MAX_USER_ID = 256
# Anthropic rejects ids that contain what looks like one of these:
# https://platform.claude.com/docs/en/api/messages#body-metadata-user-id
_EMAIL_ADDRESS = re.compile(r"[^\s@]@[^\s@]")
# With a country code, or nothing but a number.
_PHONE_NUMBER = re.compile(r"\+\d(?:[\s().-]{0,2}\d){6}|^\W*\d(?:[\s()./-]{0,2}\d){6,14}\W*$")

_VERSION = "anthropic-version"
_BETA = "anthropic-beta"


class _Source(msgspec.Struct):
    type: str = ""


class BlockView(msgspec.Struct):
    """A content block, as far as it matters here."""

    type: str
    #: of images and documents
    source: Raw = msgspec.field(default_factory=Raw)
    #: of the results of tools
    content: Raw = msgspec.field(default_factory=Raw)
    signature: str | None = None
    data: Raw = msgspec.field(default_factory=Raw)


class MessageView(msgspec.Struct):
    """One message of a conversation."""

    role: str
    content: str | list[BlockView]

    @property
    def blocks(self) -> list[BlockView]:
        """The blocks of the content; none if it is a text."""
        if isinstance(self.content, list):
            return self.content
        return []


class _Thinking(msgspec.Struct):
    type: str


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class RequestView(msgspec.Struct):
    """A request for a message, as far as it matters here."""

    model: str
    messages: list[MessageView]
    thinking: _Thinking | None = None
    metadata: _Metadata | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None

    @property
    def has_system_messages(self) -> bool:
        """Whether there are instructions between the other messages."""
        return any(message.role == "system" for message in self.messages)

    @property
    def sampling_parameters(self) -> int:
        """How many of `temperature`, `top_p` and `top_k` it sets."""
        return sum(value is not None for value in (self.temperature, self.top_p, self.top_k))

    @property
    def thinks_adaptively(self) -> bool:
        """Whether the model is to decide itself how much it thinks, which only newer ones can."""
        return self.thinking is not None and self.thinking.type == "adaptive"

    def sources(self) -> Iterator[str]:
        """Return where each image and document comes from: `base64`, `url`, …"""
        for message in self.messages:
            for block in message.blocks:
                inner = (
                    _decode_inner(block.content) if bytes(block.content).startswith(b"[") else ()
                )
                for each in (block, *inner):
                    # The source of a search result is a text.
                    if bytes(each.source).startswith(b"{"):
                        yield _decode_source(each.source).type

    def fits(self, *, is_claude: bool, system_messages: bool) -> bool:
        """Whether a model takes the conversation as it is; see `accepts`."""
        if self.has_system_messages and not system_messages:
            return False
        # Claude verifies that it was one of its own models; other vendors' models do not know Claude's signatures.
        if any(is_claudes(signature) is not is_claude for signature in self._signatures()):
            return False
        return not (is_claude and (self._continues_without_thinking() or self._names_person()))

    def _names_person(self) -> bool:
        user = self.metadata.user_id if self.metadata is not None else None
        return user is not None and identifies_person(user)

    def _continues_without_thinking(self) -> bool:
        """Whether Claude would have to think with a budget in a turn that another model began without thinking."""
        if self.thinking is None or self.thinking.type != "enabled" or len(self.messages) < 2:
            return False
        results = self.messages[-1].blocks
        if not any(block.type == "tool_result" for block in results):
            return False
        turn = self.messages[-2].blocks
        return bool(turn) and turn[0].type not in THINKING_BLOCKS

    def _signatures(self) -> Iterator[str | None]:
        for message in self.messages:
            for block in message.blocks:
                if block.type == "thinking":
                    yield block.signature
                elif block.type == "redacted_thinking":
                    # Encrypted as a whole.
                    yield bytes(block.data).decode().strip('"')


def identifies_person(user: str) -> bool:
    """Whether Anthropic rejects the id of a user: it is too long, or looks like an e-mail address or a phone number."""
    if len(user) > _MAX_USER_ID:
        return True
    return _EMAIL_ADDRESS.search(user) is not None or _PHONE_NUMBER.search(user) is not None


_decode_source = msgspec.json.Decoder(_Source).decode
_decode_inner = msgspec.json.Decoder(list[BlockView]).decode
_decode_view = msgspec.json.Decoder(RequestView).decode
_decode_blocks = msgspec.json.Decoder(list[Raw]).decode


class _TextView(msgspec.Struct):
    text: str = ""


_decode_text = msgspec.json.Decoder(_TextView).decode


def view_of(native: NativeRequest) -> RequestView | None:
    """Return the view of a request; None if it has another shape."""
    try:
        return _decode_view(native.body)
    except UNREADABLE:
        return None


def accepts(native: NativeRequest, *, is_claude: bool, system_messages: bool) -> bool:
    """Whether nothing in a request has to be repaired for a model, as far as the conversation tells.

    `is_claude` tells whether the model is one of Claude's, `system_messages` whether it takes instructions between the
    other messages.
    """
    view = view_of(native)
    return view is not None and view.fits(is_claude=is_claude, system_messages=system_messages)


def without_billing(body: bytes) -> bytes:
    """Return a request without the block that Claude Code bills by, and otherwise with its members as written."""
    if BILLING_BLOCK.encode() not in body:
        return body
    members = decode_members(body)
    system = members.get("system")
    if system is None or not bytes(system).startswith(b"["):
        return body
    blocks = _decode_blocks(system)
    kept = [block for block in blocks if not _decode_text(block).text.startswith(BILLING_BLOCK)]
    if len(kept) == len(blocks):
        return body
    if kept:
        members["system"] = encode_raw(kept)
    else:
        del members["system"]
    return msgspec.json.encode(members)


def protocol_headers(
    native: NativeRequest, version: str, beta: tuple[str, ...] = ()
) -> Mapping[str, str]:
    """Return the headers of the protocol: the client's version, else `version`, and its features besides `beta`."""
    headers = {_VERSION: native.headers.get(_VERSION) or version}
    # A dictionary, because it removes duplicates and keeps the order.
    features = dict.fromkeys((*beta, *features_of(native)))
    if features:
        headers[_BETA] = ",".join(features)
    return headers


def features_of(native: NativeRequest) -> tuple[str, ...]:
    """Return the names of the features that the client enables."""
    names = native.headers.get(_BETA, "").split(",")
    return tuple(name.strip() for name in names if name.strip())
