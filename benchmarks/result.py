"""What the comparison found of a gateway, and the table of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median

import msgspec

from benchmarks.plan import LOADS, Answered
from benchmarks.report import figure, table


class Result(msgspec.Struct, kw_only=True):
    """What was measured of one gateway.

    Each list has one value a round: seconds to the first right answer, ms added to an answer and to the first chunk of
    a stream, and the answers of each phase under load. `tries` are those at the failing provider, `rss` is in MB.
    """

    name: str
    started: list[float] = []
    added: list[float] = []
    added_first: list[float] = []
    loads: dict[str, list[Answered]] = {}
    tries: int = 0
    rss: float = 0.0
    wrong: int = 0
    fault: str = ""

    def take(self, answered: Answered) -> Answered:
        """Count what was wrong."""
        self.wrong += answered.wrong
        self.fault = self.fault or answered.fault
        return answered

    def middle(self, phase: str, member: str) -> float | None:
        """The median over the rounds of a figure of `Answered`."""
        return _median([getattr(answered, member) for answered in self.loads.get(phase, [])])

    def ratio(self, phase: str, results: Sequence[Result]) -> float | None:
        """How many times nginx's CPU time it took: the median of the rounds' ratios. None without nginx, and for it."""
        base = next((result for result in results if result.name == "nginx"), self)
        if base is self:
            return None
        rounds = zip(self.loads.get(phase, []), base.loads.get(phase, []), strict=False)
        return _median([mine.cpu_ms / theirs.cpu_ms for mine, theirs in rounds if theirs.cpu_ms])

    def tries_per_request(self) -> float | None:
        """How often the failing provider was tried; less than one where a circuit breaker spares it."""
        answers = sum(answered.right for answered in self.loads.get("failover", []))
        return self.tries / answers if answers else None


def as_table(results: Sequence[Result], phases: Sequence[str]) -> str:
    """A column a gateway, the phases from top to bottom."""
    rows = []
    for phase in phases:
        if phase in LOADS:
            cells = [_cpu(result, phase, results) for result in results]
            rows.append([f"{phase}: CPU ms per {'stream' if LOADS[phase] else 'request'}", *cells])
        for name, value in _MORE[phase].items():
            rows.append([f"{phase}: {name}", *(figure(value(result)) for result in results)])
    rows.append(["RSS after the load, MB", *(figure(result.rss) for result in results)])
    rows.append(["wrong answers", *(str(result.wrong) for result in results)])
    return table(["", *(result.name for result in results)], rows)


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def _cpu(result: Result, phase: str, results: Sequence[Result]) -> str:
    ratio = result.ratio(phase, results)
    return figure(result.middle(phase, "cpu_ms")) + (f" (×{figure(ratio)})" if ratio is not None else "")


_MORE: Mapping[str, Mapping[str, Callable[[Result], float | None]]] = {
    "start": {"s to the first right answer": lambda result: _median(result.started)},
    "one": {
        "ms added to an answer": lambda result: _median(result.added),
        "ms added to the first chunk": lambda result: _median(result.added_first),
    },
    "plain": {"requests per s": lambda result: result.middle("plain", "rate")},
    "burst": {"streams per s": lambda result: result.middle("burst", "rate")},
    "paced": {"p99 delay of a chunk, ms": lambda result: result.middle("paced", "delay_p99")},
    "failover": {"tries of the failing provider per request": Result.tries_per_request},
}
