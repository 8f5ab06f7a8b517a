"""The result of the conformance suite: levels, what is missing for the next, and the table."""

from __future__ import annotations

import pytest

from llms_core.testing.result import Case, Result, State


def result_with(states: dict[str, State]) -> Result:
    """A result with two tests in each group. They passed, except those with a state in `states`."""
    tests = [f"test_{group}_{name}" for group in "wrestcvfplm" for name in "ab"]
    result = Result("acme", "acme-llms", "1.2", tests)
    for test in tests:
        result.add(Case(test, test, states.get(test, "passed"), "why"))
    return result


@pytest.mark.parametrize(
    ("states", "level", "missing"),
    [
        ({}, "platinum", None),
        (
            {"test_l_a": "not run", "test_l_b": "not run"},
            "gold",
            ("platinum", ["L live: not run: why"]),
        ),
        (
            {"test_f_a": "failed", "test_l_a": "failed"},
            "silver",
            ("gold", ["F failover: 1 failed"]),
        ),
        ({"test_t_a": "not applicable", "test_t_b": "not applicable"}, "platinum", None),
        ({"test_s_a": "xfailed"}, "platinum", None),
        (
            {"test_s_a": "xfailed", "test_s_b": "xfailed", "test_c_b": "not run"},
            "bronze",
            ("silver", ["S stream: nothing passed", "C capabilities: 1 not run"]),
        ),
        ({"test_e_a": "failed"}, None, ("bronze", ["E errors: 1 failed"])),
        ({"test_m_a": "failed"}, None, ("bronze", ["M nothing weakened: 1 failed"])),
    ],
)
def test_level_and_what_is_missing_for_the_next(states: dict[str, State], level: str | None, missing: object) -> None:
    result = result_with(states)
    assert (result.level, result.missing) == (level, missing)


def test_test_that_was_never_collected_counts_as_not_run() -> None:
    result = result_with({})
    del result.cases["R"][1]
    assert result.level is None
    assert result.lacking("R") == "1 not run"


def test_table_has_groups_exemptions_and_level() -> None:
    states: dict[str, State] = {
        "test_f_a": "failed",
        "test_s_b": "xfailed",
        "test_l_a": "not run",
        "test_l_b": "not run",
    }
    lines = result_with(states).lines()
    assert lines[0].startswith("acme, of acme-llms 1.2, on llms-core ")
    assert "  S stream            1 passed, 1 xfailed" in lines
    assert "  F failover          1 passed, 1 failed" in lines
    assert "  L live              not run: why" in lines
    assert "  exempt: test_s_b: why" in lines
    assert lines[-2:] == ["  level: silver", "  for gold: F failover: 1 failed"]
