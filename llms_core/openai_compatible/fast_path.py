"""Shortcuts for the most common answers: speed only.

Invariant: removing this module would not change a single answer. A shortcut returns exactly what the general code in
`__init__` and `stream` returns for the same bytes, or None, and then the general code runs. The structs below are as
strict as that takes: msgspec checks them while it decodes, in one pass, and any deviation fails to decode.
tests/core/openai_compatible/test_adapter.py compares both paths on generated answers.

Measured on one machine, with and without: 10.5 and 21 µs for a whole answer, 4.5 and 18 µs for a chunk of text. The
code is denser than elsewhere for that reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw
from msgspec.structs import astuple

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Usage
from llms_core.contracts.json import ABSENT, UNREADABLE, decode_members, is_set

# Whole answers


class PlainFunction(msgspec.Struct):
    """The function of a PlainCall."""

    arguments: Annotated[str, Meta(min_length=1)]


class PlainCall(msgspec.Struct):
    """A tool call of a PlainCompletion."""

    id: Annotated[str, Meta(min_length=1)]
    type: str
    function: PlainFunction | None = None


class PlainMessage(msgspec.Struct):
    """The message of a choice of a PlainCompletion."""

    role: Literal["assistant"]
    content: str | None
    tool_calls: list[PlainCall] | None = None
    function_call: PlainFunction | None = None


class PlainChoice(msgspec.Struct):
    """A choice of a PlainCompletion."""

    index: int
    message: PlainMessage
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


class PlainUsage(msgspec.Struct):
    """The usage of a PlainCompletion. Its members are those of Usage, in the same order; the total is present."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: Annotated[int, Meta(ge=1)]
    prompt_tokens_details: dict[str, Any] | None = None
    completion_tokens_details: dict[str, Any] | None = None
    images: Any = 0
    seconds: Any = 0
    service_tier: Any = None
    cost: Any = None
    cost_details: Any = None
    is_byok: Any = None
    estimated_cost: Any = None
    cost_in_usd_ticks: Any = None


class PlainCompletion(msgspec.Struct):
    """A `chat.completion` that already conforms to OpenAI's contract, as most do: nothing has to be normalized."""

    id: Annotated[str, Meta(min_length=1)]
    #: whole seconds of this century, not milliseconds
    created: Annotated[int, Meta(ge=1_000_000_000, le=9_999_999_999)]
    choices: Annotated[list[PlainChoice], Meta(min_length=1)]
    usage: PlainUsage | None = None
    error: None = None

    def token_usage(self) -> Usage | None:
        """Return the usage as the type that the general code returns."""
        if self.usage is None:
            return None
        return Usage(*astuple(self.usage))


_decode_completion = msgspec.json.Decoder(PlainCompletion).decode


def plain_completion(body: bytes) -> PlainCompletion | None:
    """Decode a completion that conforms; None for any other body."""
    try:
        return _decode_completion(body)
    except UNREADABLE:
        return None


# Chunks of a stream


class TextDelta(msgspec.Struct):
    """A delta with a piece of text, of reasoning or of a refusal, and nothing else."""

    content: str | None = None
    reasoning_content: Raw = Raw()
    reasoning: Raw = Raw()
    refusal: str | None = None
    # These must be null or absent.
    role: None = None
    tool_calls: None = None
    function_call: None = None
    audio: None = None
    images: None = None

    def bears_content(self) -> bool:
        """The same as `DeltaView.bears_content`, for the members that can be set here."""
        return bool(
            self.content or self.refusal or is_set(self.reasoning_content) or is_set(self.reasoning)
        )


class TextChoice(msgspec.Struct):
    """The only choice of a TextChunk. It does not end here."""

    delta: TextDelta
    index: int = 0
    finish_reason: None = None


class TextChunk(msgspec.Struct):
    """A `chat.completion.chunk` from its `choices` on, if that is one choice with a piece of text: nearly all are."""

    choices: tuple[TextChoice]
    # These must be null or absent: usage and errors need the general code, and the rest is in the prefix.
    usage: None = None
    error: None = None
    id: None = None
    created: None = None
    model: None = None
    object: None = None


_CHOICES = b'"choices":'
_decode_text = msgspec.json.Decoder(TextChunk).decode
_encode = msgspec.json.encode


class TextChunks:
    """Rewrites the text chunks of one stream by replacing their prefix.

    Nearly every chunk of a stream has the same bytes before its choices: id, created, model and the like. The general
    code rewrites one chunk; from then on the provider's prefix is replaced by the rewritten one, and only the rest of
    the chunk is decoded, to make sure that it is a TextChunk.
    """

    def __init__(self, begun: Set[int]):
        #: the choices that have begun, kept up to date by the general code: a choice's first chunk needs a role
        self._begun = begun
        #: the provider's bytes up to and including `"choices":`; None until they are known
        self._prefix: bytes | None = None
        self._rewritten_prefix = b""
        #: whether a rewritten chunk has had content
        self.has_content = False

    def rewrite(self, data: bytes) -> Chunk | None:
        """Return the chunk for the client; None if the general code has to handle it."""
        prefix = self._prefix
        if prefix is None or not data.startswith(prefix):
            return None
        rest = data[len(prefix) :]
        try:
            choice = _decode_text(b'{"choices":' + rest).choices[0]
            rest.decode()  # msgspec does not check the UTF-8 of what it skips
        except UNREADABLE:
            return None
        index = choice.index
        if index not in self._begun:
            return None
        if bears_content := choice.delta.bears_content():
            self.has_content = True
        return Chunk(self._rewritten_prefix + rest, bears_content, (index,))

    def learn(self, data: bytes, members: Mapping[str, Raw]) -> None:
        """Remember the prefix of a chunk. `members` are those that the general code made of it."""
        if self._prefix is not None and data.startswith(self._prefix):
            return
        before, name, _ = data.partition(_CHOICES)
        prefix = before + name
        try:
            # Fails if this `"choices":` is not the chunk's own, but is in a string or in a nested object.
            leading = decode_members(prefix + b"0}")
        except UNREADABLE:
            return
        if is_set(leading.get("usage", ABSENT)) or is_set(leading.get("error", ABSENT)):
            return
        names = dict.fromkeys((*leading, "id", "created", "model", "object"))
        names.pop("choices", None)
        rewritten = _encode({name: members[name] for name in names})
        self._prefix = prefix
        self._rewritten_prefix = rewritten[:-1] + b"," + _CHOICES
