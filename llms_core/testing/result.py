"""The result of the conformance suite for one provider: groups, exemptions, the level and what is missing for more."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import llms_core

SUITE = "1"
"""The suite's version: it grows when a test is added that a provider may fail."""

GROUPS = {
    "W": "wire",
    "R": "response",
    "E": "errors",
    "S": "stream",
    "T": "tools",
    "C": "capabilities",
    "F": "failover",
    "P": "performance",
    "L": "live",
    "M": "nothing weakened",
}
LEVELS = (("bronze", "MWRE"), ("silver", "STC"), ("gold", "FP"), ("platinum", "L"))
"""Each level needs its own groups and those of the levels before it."""

State = Literal["passed", "failed", "xfailed", "not applicable", "not run"]


@dataclass(frozen=True)
class Case:
    """What became of one test, or of one of its parameters."""

    test: str
    name: str
    state: State
    reason: str = ""


def group_of(test: str) -> str:
    """`W` for `test_w_…`."""
    return test.removeprefix("test_")[:1].upper()


@dataclass
class Result:
    """One provider's. `expected` are the names of all the suite's tests."""

    provider: str
    distribution: str
    version: str
    expected: Collection[str]
    cases: dict[str, list[Case]] = field(default_factory=lambda: {group: [] for group in GROUPS})

    def add(self, case: Case) -> None:
        """One more case."""
        self.cases[group_of(case.test)].append(case)

    def counts(self, group: str) -> Counter[State]:
        """How many cases of a group there are in each state."""
        return Counter(case.state for case in self.cases[group])

    def lacking(self, group: str) -> str | None:
        """Why a group does not count as passed; None where it does."""
        counts = self.counts(group)
        expected = {test for test in self.expected if group_of(test) == group}
        run = {case.test for case in self.cases[group] if case.state != "not run"}
        if counts["failed"]:
            return f"{counts['failed']} failed"
        if not expected & run:
            reasons = {case.reason for case in self.cases[group] if case.reason}
            return "not run" + (f": {min(reasons)}" if reasons else "")
        if expected - run or counts["not run"]:
            return f"{len(expected - run) or counts['not run']} not run"
        if counts["xfailed"] and not counts["passed"]:
            return "nothing passed"
        return None

    @property
    def level(self) -> str | None:
        """The highest level that is reached."""
        reached = None
        for level, groups in LEVELS:
            if any(self.lacking(group) for group in groups):
                break
            reached = level
        return reached

    @property
    def missing(self) -> tuple[str, list[str]] | None:
        """The next level, and what is missing for it."""
        for level, groups in LEVELS:
            lacking = [f"{group} {GROUPS[group]}: {why}" for group in groups if (why := self.lacking(group))]
            if lacking:
                return level, lacking
        return None

    def of(self, state: State) -> list[dict[str, str]]:
        """Cases of a state, with their reasons."""
        cases = (case for group in self.cases.values() for case in group if case.state == state)
        return [{"test": case.name, "reason": case.reason} for case in cases]

    def as_json(self) -> dict[str, Any]:
        """What `conformance.json` holds."""
        missing = self.missing
        return {
            "suite": SUITE,
            "llms_core": llms_core.__version__,
            "python": platform.python_version(),
            "date": datetime.now(UTC).date().isoformat(),
            "provider": self.provider,
            "distribution": self.distribution,
            "version": self.version,
            "level": self.level,
            "next": None if missing is None else {"level": missing[0], "missing": missing[1]},
            "groups": {group: self._group(group) for group in GROUPS},
            "xfailed": self.of("xfailed"),
            "failed": self.of("failed"),
            "not_applicable": self.of("not applicable"),
        }

    def lines(self) -> list[str]:
        """The table for a terminal."""
        whence = f"{self.distribution} {self.version}".rstrip()
        found = [f"{self.provider}, of {whence}, on llms-core {llms_core.__version__}"]
        for group, title in GROUPS.items():
            counts = self.counts(group)
            told = [f"{counts[state]} {state}" for state in ("passed", "xfailed", "failed") if counts[state]]
            if not told and not self.lacking(group):
                told = ["not applicable"]
            elif (why := self.lacking(group)) and not counts["failed"]:
                told.append(why)
            found.append(f"  {group} {title:17} {', '.join(told)}")
        found += [f"  exempt: {case['test']}: {case['reason']}" for case in self.of("xfailed")]
        found.append(f"  level: {self.level or 'none'}" + self._dated())
        if missing := self.missing:
            found.append(f"  for {missing[0]}: {'; '.join(missing[1])}")
        return found

    def _group(self, group: str) -> Mapping[str, Any]:
        counts = self.counts(group)
        states: Sequence[State] = ("passed", "xfailed", "failed", "not applicable")
        numbers = {state.replace(" ", "_"): counts[state] for state in states}
        return {"title": GROUPS[group], **numbers, "lacking": self.lacking(group)}

    def _dated(self) -> str:
        """Platinum is of a day: what a provider's live service does tomorrow nobody knows."""
        return f" ({datetime.now(UTC).date().isoformat()})" if self.level == "platinum" else ""
