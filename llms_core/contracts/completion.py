"""A chat completion: a light view for answers that pass untouched, and structs for adapters that build one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw

FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})

# How providers spell OpenAI's finish reasons, seen in recorded answers; compared in lower case.
_SPELLINGS = {
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "complete": "stop",
    "completed": "stop",
    "max_tokens": "length",
    "model_length": "length",
    "max_output_tokens": "length",
    "tool_use": "tool_calls",
    "tool_call": "tool_calls",
    "safety": "content_filter",
    "recitation": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "spii": "content_filter",
    "sensitive": "content_filter",
    "refusal": "content_filter",
    "content_filtered": "content_filter",
}


def finish_reason(reason: str) -> str | None:
    """`reason` in OpenAI's spelling (SR-048); None for one that means a failure, not an end (`error`, `abort`)."""
    lower = reason.lower()
    if lower in FINISH_REASONS:
        return lower
    if lower in ("error", "abort", "network_error", "insufficient_system_resource"):
        return None
    return _SPELLINGS.get(lower, "stop")


class Usage(msgspec.Struct, omit_defaults=True):
    """Token counts, always all three; details are the provider's own, as written, and left out where there are none."""

    # A factory, because omit_defaults would leave out a plain 0, which clients miss.
    prompt_tokens: int = msgspec.field(default_factory=int)
    completion_tokens: int = msgspec.field(default_factory=int)
    total_tokens: int = msgspec.field(default_factory=int)
    prompt_tokens_details: dict[str, Any] | None = None
    completion_tokens_details: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if not self.total_tokens:
            self.total_tokens = self.prompt_tokens + self.completion_tokens


_usage = msgspec.json.Decoder(Usage | None)


def usage(raw: Raw) -> Usage | None:
    """A provider's usage, read; None where there is none, or it makes no sense: no answer is lost over its count."""
    try:
        return _usage.decode(raw) if len(raw) else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class Completion(msgspec.Struct):
    """What an adapter makes of a provider's answer: a `chat.completion` as JSON, and its usage where it has one."""

    data: bytes
    usage: Usage | None = None


class CallView(msgspec.Struct):
    """A tool call of a message, as far as it is looked at."""

    id: str | None = None
    type: str | None = None


class MessageView(msgspec.Struct):
    """The message of a choice, as far as it is looked at."""

    role: str | None = None
    content: Raw = Raw()
    tool_calls: list[CallView] | None = None


class ChoiceView(msgspec.Struct):
    """A choice, as far as it is looked at."""

    index: int | None = None
    message: MessageView | None = None
    finish_reason: str | None = None


class CompletionView(msgspec.Struct):
    """A `chat.completion`, as far as it is looked at."""

    id: Raw = Raw()
    object: Raw = Raw()
    created: Raw = Raw()
    choices: list[ChoiceView] | None = None
    usage: Raw = Raw()
    error: Raw = Raw()


class PlainCall(msgspec.Struct):
    """A tool call of a PlainCompletion."""

    id: Annotated[str, Meta(min_length=1)]
    type: str


class PlainMessage(msgspec.Struct):
    """The message of a choice of a PlainCompletion."""

    role: Literal["assistant"]
    content: str | None
    tool_calls: list[PlainCall] | None = None


class PlainChoice(msgspec.Struct):
    """A choice of a PlainCompletion."""

    index: int
    message: PlainMessage
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


class PlainUsage(msgspec.Struct):
    """The usage of a PlainCompletion: a Usage that has its total."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: Annotated[int, Meta(ge=1)]
    prompt_tokens_details: dict[str, Any] | None = None
    completion_tokens_details: dict[str, Any] | None = None


class PlainCompletion(msgspec.Struct):
    """A `chat.completion` with nothing to mend, as most are. Any other does not fit, which the decoder finds out."""

    id: Annotated[str, Meta(min_length=1)]
    created: Annotated[int, Meta(ge=1_000_000_000, le=9_999_999_999)]
    choices: Annotated[list[PlainChoice], Meta(min_length=1)]
    usage: PlainUsage | None = None
    error: None = None
