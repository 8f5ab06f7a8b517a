"""The result of the conformance suite: levels, what is missing for the next, and the table."""

from __future__ import annotations

import pytest

from llms_core.testing.result import Case, Result, State


def result_with(states: dict[str, State]) -> Result:
    """A result with four tests in each group. They passed, except those with a state in `states`."""
    tests = [f"test_{group}_{name}" for group in "wrestcvagfplm" for name in "abcd"]
    result = Result("acme", "acme-llms", "1.2", tests)
    for test in tests:
        result.add(Case(test, test, states.get(test, "passed"), "why"))
    return result


@pytest.mark.parametrize(
    ("states", "level", "missing"),
    [
        ({}, "platinum", None),
        (
            dict.fromkeys(("test_l_a", "test_l_b", "test_l_c", "test_l_d"), "not run"),
            "gold",
            ("platinum", ["L live: not run: why"]),
        ),
        (
            {"test_f_a": "failed", "test_l_a": "failed"},
            "silver",
            ("gold", ["F failover: 1 failed"]),
        ),
        (
            dict.fromkeys(("test_t_a", "test_t_b", "test_t_c", "test_t_d"), "not applicable"),
            "platinum",
            None,
        ),
        ({"test_s_a": "xfailed"}, "platinum", None),
        (
            {"test_s_a": "xfailed", "test_s_b": "xfailed", "test_c_b": "not run"},
            "bronze",
            (
                "silver",
                [
                    "S stream: 2 of 4 tests exempt; at least 70% have to pass",
                    "C capabilities: 1 not run",
                ],
            ),
        ),
        ({"test_e_a": "failed"}, None, ("bronze", ["E errors: 1 failed"])),
        ({"test_m_a": "failed"}, None, ("bronze", ["M nothing weakened: 1 failed"])),
    ],
)
def test_level_and_what_is_missing_for_the_next(
    states: dict[str, State], level: str | None, missing: object
) -> None:
    result = result_with(states)
    assert (result.level, result.missing) == (level, missing)


def test_what_does_not_apply_is_no_pass() -> None:
    """Nobody reaches a level by declaring everything away, except for adapters that answer by themselves."""
    groups = {group: [f"test_{group}_{name}" for name in "abcd"] for group in "wrefpg"}
    declared_away: dict[str, State] = {
        test: "not applicable" for group in "wrefp" for test in groups[group]
    }
    assert result_with(declared_away).level == "platinum"
    nothing: dict[str, State] = {**declared_away, **dict.fromkeys(groups["g"], "not applicable")}
    result = result_with(nothing)
    assert result.level is None
    assert result.lacking("W") == "nothing applies"


def test_test_that_was_never_collected_counts_as_not_run() -> None:
    result = result_with({})
    del result.cases["R"][1]
    assert result.level is None
    assert result.lacking("R") == "1 not run"


def test_table_has_groups_exemptions_and_level() -> None:
    states: dict[str, State] = {
        "test_f_a": "failed",
        "test_s_b": "xfailed",
        **dict.fromkeys(("test_l_a", "test_l_b", "test_l_c", "test_l_d"), "not run"),
    }
    lines = result_with(states).lines()
    assert lines[0].startswith("acme, of acme-llms 1.2, on llms-core ")
    assert "  S stream            3 passed, 1 xfailed" in lines
    assert "  F failover          3 passed, 1 failed" in lines
    assert "  L live              not run: why" in lines
    assert "  exempt: test_s_b: why" in lines
    assert lines[-2:] == ["  level: silver", "  for gold: F failover: 1 failed"]
