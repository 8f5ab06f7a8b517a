"""The result of the conformance suite for one provider: groups, exemptions, the level, and what the next one needs."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import llms_core

SUITE = "2"
"""The version of the suite. Increment it when a test is added that an existing provider may fail."""

GROUPS = {
    "W": "wire",
    "R": "response",
    "E": "errors",
    "S": "stream",
    "T": "tools",
    "C": "capabilities",
    "V": "embeddings",
    "A": "tokens",
    "G": "own answers",
    "F": "failover",
    "P": "performance",
    "L": "live",
    "M": "nothing weakened",
}

LEVELS = (
    ("bronze", "MWRE"),
    ("silver", "STCV"),
    ("gold", "AGFP"),
    ("platinum", "L"),
)
"""Each level requires its own groups and those of the levels before it."""

MINIMUM = 0.7
"""The share of a group's tests that have to pass without an exemption, of those that apply to the provider."""

_FOR_ALL = frozenset("MWREFP")
"""The groups that apply to every provider, unless its adapter answers by itself."""

_OWN_ANSWERS = "G"

State = Literal["passed", "failed", "xfailed", "not applicable", "not run"]


@dataclass(frozen=True)
class Case:
    """The result of one test, or of one of its parameters."""

    #: The name of the test function.
    test: str
    #: The name with its parameter.
    name: str
    state: State
    reason: str = ""


def group_of(test: str) -> str:
    """Return the group of a test: `W` for `test_w_…`."""
    return test.removeprefix("test_")[:1].upper()


@dataclass
class Result:
    """The result of one provider."""

    provider: str
    distribution: str
    version: str
    #: The names of all tests of the suite.
    expected: Collection[str]
    cases: dict[str, list[Case]] = field(default_factory=lambda: {group: [] for group in GROUPS})

    def add(self, case: Case) -> None:
        """Add the result of one case."""
        self.cases[group_of(case.test)].append(case)

    def counts(self, group: str) -> Counter[State]:
        """Return how many cases of a group are in each state."""
        return Counter(case.state for case in self.cases[group])

    def lacking(self, group: str) -> str | None:
        """Return why a group does not count as passed, or None if it does."""
        counts = self.counts(group)
        if counts["failed"]:
            return f"{counts['failed']} failed"
        expected = {test for test in self.expected if group_of(test) == group}
        run = {case.test for case in self.cases[group] if case.state != "not run"}
        if not expected & run:
            return self._why_not_run(group)
        # A test that was never collected has no case: it is missing from `run`, and not counted as "not run".
        not_run = len(expected - run) or counts["not run"]
        if not_run:
            return f"{not_run} not run"
        return self._too_few(group)

    def _too_few(self, group: str) -> str | None:
        """Return why too many of a group's tests are exempt, or None if enough passed."""
        passed, exempt = self._tests(group, "passed"), self._tests(group, "xfailed")
        passed -= exempt
        if not passed and not exempt:
            applies = group in _FOR_ALL and not self._tests(_OWN_ANSWERS, "passed")
            return "nothing applies" if applies else None
        if len(passed) < MINIMUM * len(passed | exempt):
            return f"{len(exempt)} of {len(passed | exempt)} tests exempt; at least {MINIMUM:.0%} have to pass"
        return None

    def _tests(self, group: str, state: State) -> set[str]:
        """The tests with a case in this state."""
        return {case.test for case in self.cases[group] if case.state == state}

    def _why_not_run(self, group: str) -> str:
        reasons = {case.reason for case in self.cases[group] if case.reason}
        if not reasons:
            return "not run"
        return f"not run: {min(reasons)}"

    @property
    def level(self) -> str | None:
        """The highest level that the provider reaches, if any."""
        reached = None
        for level, groups in LEVELS:
            if any(self.lacking(group) for group in groups):
                break
            reached = level
        return reached

    @property
    def missing(self) -> tuple[str, list[str]] | None:
        """The next level and what is missing for it, or None at the highest level."""
        for level, groups in LEVELS:
            problems = self._problems(groups)
            if problems:
                return level, problems
        return None

    def _problems(self, groups: str) -> list[str]:
        problems = []
        for group in groups:
            reason = self.lacking(group)
            if reason is not None:
                problems.append(f"{group} {GROUPS[group]}: {reason}")
        return problems

    def of(self, state: State) -> list[dict[str, str]]:
        """Return all cases in a state, with their reasons."""
        found = []
        for cases in self.cases.values():
            found += [
                {"test": case.name, "reason": case.reason} for case in cases if case.state == state
            ]
        return found

    def as_json(self) -> dict[str, Any]:
        """Return the contents of `conformance.json`."""
        following = None
        missing = self.missing
        if missing is not None:
            following = {"level": missing[0], "missing": missing[1]}
        return {
            "suite": SUITE,
            "llms_core": llms_core.__version__,
            "python": platform.python_version(),
            "date": _today(),
            "provider": self.provider,
            "distribution": self.distribution,
            "version": self.version,
            "level": self.level,
            "next": following,
            "groups": {group: self._group_as_json(group) for group in GROUPS},
            "xfailed": self.of("xfailed"),
            "failed": self.of("failed"),
            "not_applicable": self.of("not applicable"),
        }

    def _group_as_json(self, group: str) -> Mapping[str, Any]:
        counts = self.counts(group)
        states: Sequence[State] = ("passed", "xfailed", "failed", "not applicable")
        numbers = {state.replace(" ", "_"): counts[state] for state in states}
        return {"title": GROUPS[group], **numbers, "lacking": self.lacking(group)}

    def lines(self) -> list[str]:
        """Return the table for a terminal, line by line."""
        source = f"{self.distribution} {self.version}".rstrip()
        lines = [f"{self.provider}, of {source}, on llms-core {llms_core.__version__}"]
        for group, title in GROUPS.items():
            lines.append(f"  {group} {title:17} {self._group_summary(group)}")
        lines += [f"  exempt: {case['test']}: {case['reason']}" for case in self.of("xfailed")]
        lines.append(self._level_line())
        if missing := self.missing:
            lines.append(f"  for {missing[0]}: {'; '.join(missing[1])}")
        return lines

    def _group_summary(self, group: str) -> str:
        counts = self.counts(group)
        states: Sequence[State] = ("passed", "xfailed", "failed")
        parts = [f"{counts[state]} {state}" for state in states if counts[state]]
        reason = self.lacking(group)
        if not parts and not reason:
            return "not applicable"
        # The number of failures is in the list already.
        if reason and not counts["failed"]:
            parts.append(reason)
        return ", ".join(parts)

    def _level_line(self) -> str:
        line = f"  level: {self.level or 'none'}"
        # The live service may change tomorrow, so platinum is only valid with its date.
        if self.level == "platinum":
            line += f" ({_today()})"
        return line


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
