"""Finish reasons and usage of completions."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Raw

from llms_core.contracts.completion import Usage, finish_reason, usage

SPELLINGS = {
    "stop": [
        "stop",
        "STOP",
        "Stop",
        "eos",
        "eos_token",
        "end_turn",
        "stop_sequence",
        "COMPLETE",
        "something_new",
    ],
    "length": ["length", "max_tokens", "MAX_TOKENS", "model_length", "max_output_tokens"],
    "tool_calls": ["tool_calls", "tool_use", "TOOL_CALL"],
    "content_filter": [
        "content_filter",
        "SAFETY",
        "RECITATION",
        "sensitive",
        "refusal",
        "PROHIBITED_CONTENT",
    ],
    "function_call": ["function_call"],
}


@pytest.mark.parametrize(
    ("reason", "expected"),
    [(each, name) for name, spellings in SPELLINGS.items() for each in spellings],
)
def test_finish_reasons_get_openais_spelling(reason: str, expected: str) -> None:
    """SR-048."""
    assert finish_reason(reason) == expected


@pytest.mark.parametrize(
    "reason", ["error", "ERROR", "abort", "network_error", "insufficient_system_resource"]
)
def test_a_finish_reason_that_means_failure_is_none(reason: str) -> None:
    """SR-058: an incomplete answer must not look complete."""
    assert finish_reason(reason) is None


def test_a_missing_total_is_the_sum() -> None:
    """SR-049."""
    assert Usage(prompt_tokens=3, completion_tokens=4).total_tokens == 7


def test_the_providers_total_is_kept() -> None:
    """SR-049: it may be larger than the sum."""
    assert Usage(prompt_tokens=3, completion_tokens=4, total_tokens=9).total_tokens == 9


def test_all_three_counts_are_encoded() -> None:
    """SR-049: also if they are 0."""
    written = msgspec.json.decode(msgspec.json.encode(Usage(prompt_tokens=3)))
    assert written == {"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3}


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ('{"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}', 7),
        ('{"prompt_tokens": 3, "completion_tokens": 4, "queue_time": 0.1}', 7),
        ('{"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": null}', 7),
        ("{}", 0),
    ],
)
def test_usage_is_decoded(text: str, total: int) -> None:
    """SR-049."""
    read = usage(Raw(text.encode()))
    assert read is not None
    assert read.total_tokens == total


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "1",
        "[]",
        '{"prompt_tokens": "3"}',
        '{"prompt_tokens": null}',
        '{"completion_tokens": 1.5}',
    ],
)
def test_unreadable_usage_is_none(text: str) -> None:
    """It must not fail the answer."""
    assert usage(Raw(text.encode())) is None
