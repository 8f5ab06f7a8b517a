"""The measurements of one gateway in the comparison, and the table of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median

import msgspec

from benchmarks.plan import LOADS, Answered
from benchmarks.report import figure, table


class Result(msgspec.Struct, kw_only=True):
    """What was measured of one gateway. Each list has one value per round."""

    name: str
    #: Seconds to the first correct answer.
    started: list[float] = []
    #: Milliseconds that the gateway adds to an answer.
    added: list[float] = []
    #: Milliseconds that the gateway adds to the first chunk of a stream.
    added_first: list[float] = []
    #: The loads of each phase.
    loads: dict[str, list[Answered]] = {}
    #: Requests that reached the failing provider.
    tries: int = 0
    #: Resident memory in MB after all phases.
    rss: float = 0.0
    wrong: int = 0
    #: A description of the first wrong answer.
    fault: str = ""

    def take(self, answered: Answered) -> Answered:
        """Count the wrong answers of a load, and return the load."""
        self.wrong += answered.wrong
        self.fault = self.fault or answered.fault
        return answered

    def middle(self, phase: str, member: str) -> float | None:
        """Return the median over the rounds of a member of `Answered`."""
        return _median([getattr(answered, member) for answered in self.loads.get(phase, [])])

    def ratio(self, phase: str, results: Sequence[Result]) -> float | None:
        """Return the CPU time as a multiple of nginx's, the median of the rounds' ratios.

        None for nginx itself, or without it.
        """
        nginx = next((result for result in results if result.name == "nginx"), None)
        if nginx is None or nginx is self:
            return None
        rounds = zip(self.loads.get(phase, []), nginx.loads.get(phase, []), strict=False)
        return _median([own.cpu_ms / base.cpu_ms for own, base in rounds if base.cpu_ms])

    def tries_per_request(self) -> float | None:
        """Return how often the failing provider was tried; below one if a circuit breaker skips it."""
        answers = sum(answered.right for answered in self.loads.get("failover", []))
        if not answers:
            return None
        return self.tries / answers


def as_table(results: Sequence[Result], phases: Sequence[str]) -> str:
    """Return a table with a column per gateway, and the phases from top to bottom."""
    rows = []
    for phase in phases:
        if phase in LOADS:
            unit = "stream" if LOADS[phase] else "request"
            cells = [_cpu_cell(result, phase, results) for result in results]
            rows.append([f"{phase}: CPU ms per {unit}", *cells])
        for name, value in _MORE_FIGURES[phase].items():
            rows.append([f"{phase}: {name}", *(figure(value(result)) for result in results)])
    rows.append(["RSS after the load, MB", *(figure(result.rss) for result in results)])
    rows.append(["wrong answers", *(str(result.wrong) for result in results)])
    return table(["", *(result.name for result in results)], rows)


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def _cpu_cell(result: Result, phase: str, results: Sequence[Result]) -> str:
    cell = figure(result.middle(phase, "cpu_ms"))
    ratio = result.ratio(phase, results)
    if ratio is not None:
        cell += f" (×{figure(ratio)})"
    return cell


#: The rows of each phase besides its CPU time.
_MORE_FIGURES: Mapping[str, Mapping[str, Callable[[Result], float | None]]] = {
    "start": {
        "s to the first right answer": lambda result: _median(result.started),
    },
    "one": {
        "ms added to an answer": lambda result: _median(result.added),
        "ms added to the first chunk": lambda result: _median(result.added_first),
    },
    "plain": {
        "requests per s": lambda result: result.middle("plain", "rate"),
    },
    "burst": {
        "streams per s": lambda result: result.middle("burst", "rate"),
    },
    "paced": {
        "p99 delay of a chunk, ms": lambda result: result.middle("paced", "delay_p99"),
    },
    "failover": {
        "tries of the failing provider per request": Result.tries_per_request,
    },
}
