"""What is suggested for a model that does not exist."""

from __future__ import annotations

import pytest

from llms_core.routing.similar import SimilarNames

NAMES = SimilarNames(
    ["kimi-k2", "openai/gpt-5", "gpt-5-mini", "claude-sonnet-4-5", "qwen3:32b", "m", "my-model"]
)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("kimi-k3", ["kimi-k2"]),
        ("KIMI-K2", ["kimi-k2"]),
        ("gpt-5", ["openai/gpt-5", "gpt-5-mini"]),
        ("claude-sonnet", ["claude-sonnet-4-5"]),
        ("claud-sonet-4-5", ["claude-sonnet-4-5"]),
        ("unknown-model", []),
        ("zzz", []),
    ],
)
def test_names_that_the_user_may_have_meant(name: str, found: list[str]) -> None:
    assert sorted(NAMES.find(name)) == sorted(found)
