"""What members mean is read from their comments and from `Meta`."""

from __future__ import annotations

import msgspec
import pytest

from llms_core.config.described import comments, members, sentence
from llms_core.config.model import Routing, Timeouts
from llms_core.config.price_shape import PriceRow
from llms_core.config.shape import ProviderBlock


def test_a_comment_of_several_lines_belongs_to_the_next_member() -> None:
    assert comments(Timeouts)["first_token"] == (
        "until a stream's first token; by default the last candidate may use all remaining time"
    )


def test_members_that_a_struct_inherits_are_described() -> None:
    assert comments(ProviderBlock)["seed"]


def test_a_member_has_its_unit_default_and_example() -> None:
    described = {member.name: member for member in members(Timeouts)}
    assert (described["idle"].unit, described["idle"].default, described["idle"].example) == (
        "seconds",
        60.0,
        60.0,
    )
    assert described["first_token"].example == 120
    assert described["failover"].example is msgspec.NODEFAULT
    assert next(members(PriceRow)).required
    assert {member.name: member.example for member in members(Routing)}["fallbacks"] == {
        "kimi-k2": ["qwen3"]
    }


@pytest.mark.parametrize(
    ("text", "expected"), [("", ""), ("in bytes", "In bytes."), ("Why?", "Why?")]
)
def test_a_comment_becomes_a_sentence(text: str, expected: str) -> None:
    assert sentence(text) == expected
