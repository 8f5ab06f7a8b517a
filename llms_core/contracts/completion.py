"""A chat completion: its bytes, a typed view of the members that the gateway reads, and its usage.

The views declare only what the gateway looks at. Every other member stays in the raw bytes and is passed on unchanged.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from llms_core.contracts.json import UNREADABLE

#: OpenAI's finish reasons.
FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})

# Finish reasons that mean that the provider gave up: the answer is incomplete and must not look finished (SR-058).
_FAILURES = frozenset({"error", "abort", "network_error", "insufficient_system_resource"})

# Other spellings of OpenAI's finish reasons, from recorded answers; compared in lower case.
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


def finish_reason(reason: str, *, is_empty: bool = False) -> str | None:
    """Return a provider's finish reason in OpenAI's spelling (SR-048); None if it means a failure, such as `error`.

    `is_empty` tells that the answer has no content: then an unknown reason is a failure, too.
    """
    lower = reason.lower()
    if lower in FINISH_REASONS:
        return lower
    if lower in _FAILURES:
        return None
    # An unknown reason still ends an answer.
    return _SPELLINGS.get(lower, None if is_empty else "stop")


class Usage(msgspec.Struct, omit_defaults=True):
    """Token counts. All three are always written; the details are the provider's own, and omitted if it sent none."""

    # Factories, because omit_defaults would leave out a plain 0, and clients expect all three counts (SR-049).
    prompt_tokens: int = msgspec.field(default_factory=int)
    completion_tokens: int = msgspec.field(default_factory=int)
    #: the sum of the other two if the provider omits it; its own total may be larger
    total_tokens: int = msgspec.field(default_factory=int)
    prompt_tokens_details: dict[str, Any] | None = None
    completion_tokens_details: dict[str, Any] | None = None
    #: images, and seconds of sound, of operations that are charged by them
    images: Any = 0
    seconds: Any = 0
    #: the tier of service that the provider used
    service_tier: Any = None
    # What the answer costs according to the provider itself; see `llms_core.prices.reported`.
    cost: Any = None
    cost_details: Any = None
    is_byok: Any = None
    estimated_cost: Any = None
    cost_in_usd_ticks: Any = None

    def __post_init__(self) -> None:
        if not self.total_tokens:
            self.total_tokens = self.prompt_tokens + self.completion_tokens


_usage_decoder: msgspec.json.Decoder[Usage | None] = msgspec.json.Decoder(Usage | None)


def usage(raw: Raw) -> Usage | None:
    """Decode a provider's usage; None if it is absent or cannot be read: that must not fail the answer."""
    if not raw:
        return None
    try:
        return _usage_decoder.decode(raw)
    except UNREADABLE:
        return None


class Completion(msgspec.Struct):
    """A provider's whole answer, as its adapter returns it."""

    #: a `chat.completion` as JSON, ready for the client
    data: bytes
    #: None if the provider sent none
    usage: Usage | None = None
    #: the client's own protocol, if `data` is an answer in it: see `contracts.native`
    native: str = ""


class CalledFunctionView(msgspec.Struct):
    """The function of a tool call."""

    arguments: Raw = Raw()


class CallView(msgspec.Struct):
    """A tool call of a message."""

    id: str | None = None
    type: str | None = None
    function: CalledFunctionView | None = None


class MessageView(msgspec.Struct):
    """The message of a choice."""

    role: str | None = None
    content: Raw = Raw()
    tool_calls: list[CallView] | None = None
    function_call: CalledFunctionView | None = None


class ChoiceView(msgspec.Struct):
    """A choice of a completion."""

    index: int | None = None
    message: MessageView | None = None
    finish_reason: str | None = None


class CompletionView(msgspec.Struct):
    """A `chat.completion`. Raw members are empty if absent."""

    id: Raw = Raw()
    object: Raw = Raw()
    created: Raw = Raw()
    choices: list[ChoiceView] | None = None
    usage: Raw = Raw()
    error: Raw = Raw()
