"""What a provider counted of one answer, in one form for all operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from llms_core.contracts.completion import Usage


class Tokens(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The counts of one answer, none of them negative. Parts of a count are among it: `cached` is part of `input`."""

    #: Tokens of the prompt, with those of the cache.
    input: int = 0
    #: Tokens that were read from a cache.
    cached: int = 0
    #: Tokens that were written to a cache, for whatever time.
    cache_write: int = 0
    #: Those of them that are kept for an hour.
    cache_write_1h: int = 0
    audio_input: int = 0
    image_input: int = 0
    #: Tokens of the answer, with those of reasoning.
    output: int = 0
    reasoning: int = 0
    audio_output: int = 0
    image_output: int = 0
    #: Images in the answer of an operation on images.
    images: int = 0
    #: Searches that the provider made for the answer.
    searches: int = 0
    #: Seconds of sound, where a provider counts those instead of tokens.
    seconds: float = 0.0


def tokens_of(usage: Usage) -> Tokens:
    """Return the counts of a usage. What a provider sent in place of a count counts as zero."""
    prompt: Mapping[str, Any] = usage.prompt_tokens_details or _NONE
    completion: Mapping[str, Any] = usage.completion_tokens_details or _NONE
    # Most have no details.
    if not prompt and not completion and not usage.images and not usage.seconds:
        return Tokens(input=_count(usage.prompt_tokens), output=_count(usage.completion_tokens))
    return Tokens(
        input=_count(usage.prompt_tokens),
        cached=_count(prompt.get("cached_tokens")),
        cache_write=_count(prompt.get("cache_write_tokens")),
        cache_write_1h=_count(prompt.get("cache_write_1h_tokens")),
        audio_input=_count(prompt.get("audio_tokens")),
        image_input=_count(prompt.get("image_tokens")),
        output=_count(usage.completion_tokens),
        reasoning=_count(completion.get("reasoning_tokens")),
        audio_output=_count(completion.get("audio_tokens")),
        image_output=_count(completion.get("image_tokens")),
        images=_count(usage.images),
        searches=_searches(completion.get("server_tool_use")),
        seconds=_amount(usage.seconds),
    )


_NONE: Mapping[str, Any] = {}
#: What no database can store is no count either.
_MAX = 2**53


def _searches(tools: Any) -> int:
    if isinstance(tools, Mapping):
        return _count(tools.get("web_search_requests"))
    return 0


def _count(value: Any) -> int:
    """The details of a usage are the provider's own, so they may be of any type."""
    if type(value) is int:
        return value if 0 <= value < _MAX else 0
    return int(_amount(value))


def _amount(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and 0 <= value < _MAX:
        return float(value)
    return 0.0
