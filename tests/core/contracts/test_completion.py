"""Whole answers: how their ends are spelt, and how their tokens are counted."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Raw

from llms_core.contracts.completion import Usage, finish_reason, usage

SPELLINGS = {
    "stop": ["stop", "STOP", "Stop", "eos", "eos_token", "end_turn", "stop_sequence", "COMPLETE", "something_new"],
    "length": ["length", "max_tokens", "MAX_TOKENS", "model_length", "max_output_tokens"],
    "tool_calls": ["tool_calls", "tool_use", "TOOL_CALL"],
    "content_filter": ["content_filter", "SAFETY", "RECITATION", "sensitive", "refusal", "PROHIBITED_CONTENT"],
    "function_call": ["function_call"],
}


@pytest.mark.parametrize(("theirs", "ours"), [(each, name) for name, spelt in SPELLINGS.items() for each in spelt])
def test_an_end_is_spelt_as_openai_does(theirs: str, ours: str) -> None:
    """SR-048: lower case, and one of the known ones."""
    assert finish_reason(theirs) == ours


@pytest.mark.parametrize("theirs", ["error", "ERROR", "abort", "network_error", "insufficient_system_resource"])
def test_an_end_that_is_a_failure_is_none(theirs: str) -> None:
    """SR-058: the answer was broken off, and is not to look complete."""
    assert finish_reason(theirs) is None


def test_the_total_is_the_sum_where_it_is_not_said() -> None:
    """SR-049."""
    assert Usage(prompt_tokens=3, completion_tokens=4).total_tokens == 7


def test_the_providers_own_total_is_kept() -> None:
    """SR-049: it may count more than the two."""
    assert Usage(prompt_tokens=3, completion_tokens=4, total_tokens=9).total_tokens == 9


def test_all_three_counts_are_written() -> None:
    """SR-049: 0 too."""
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
def test_usage_is_read(text: str, total: int) -> None:
    """SR-049."""
    read = usage(Raw(text.encode()))
    assert read is not None
    assert read.total_tokens == total


@pytest.mark.parametrize(
    "text", ["", "null", "1", "[]", '{"prompt_tokens": "3"}', '{"prompt_tokens": null}', '{"completion_tokens": 1.5}']
)
def test_usage_that_makes_no_sense_is_none(text: str) -> None:
    """No answer is lost over the count of its tokens."""
    assert usage(Raw(text.encode())) is None
