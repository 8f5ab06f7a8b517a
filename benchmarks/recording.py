"""What the ledger and the metrics cost: CPU time per request of two gateways, one of them without both.

Both run at once on the same core and get the same load in turn, so that whatever else the machine does meets both. The
figure is the median of the differences between the two loads of a round.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from statistics import median, quantiles

from benchmarks.gateways import llms
from benchmarks.measure import Running, measure, started, upstream, wait_until_quiet
from benchmarks.plan import Load
from benchmarks.report import figure, machine, say, show, table

_OFF = "[ledger]\nenabled = false\n[metrics]\nenabled = false\n"
_HEADS = ("µs of CPU per request", "median", "lower quartile", "upper quartile")
#: Rounds that only warm up.
_WARM_UP = 2


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--rounds", type=int, default=30, help="how often both are measured")
    parser.add_argument("--seconds", type=float, default=1.0, help="duration of each load")


def run(options: argparse.Namespace) -> int:
    """Measure and print; return the number of wrong answers."""
    without: list[float] = []
    differences: list[float] = []
    wrong = 0
    with ExitStack() as stack:
        source = stack.enter_context(upstream())
        recording = stack.enter_context(started(llms(), source.port))
        plain = stack.enter_context(started(llms(tables=_OFF), source.port))
        # The price list is made.
        wait_until_quiet(recording)
        for number in range(_WARM_UP + options.rounds):
            costs = []
            for gateway in (plain, recording):
                cost, wrong_answers = _measured(gateway, options.seconds)
                costs.append(cost)
                wrong += wrong_answers
            if number >= _WARM_UP:
                without.append(costs[0])
                differences.append(costs[1] - costs[0])
                say(f"{costs[0]:.1f} and {costs[1]:.1f} µs")
    show(f"{machine()}\n")
    rows = (("without", without), ("ledger and metrics", differences))
    show(table(_HEADS, [_line(name, values) for name, values in rows]))
    return wrong


def _measured(gateway: Running, seconds: float) -> tuple[float, int]:
    """Return the CPU time of a request in microseconds, and the number of wrong answers."""
    answered = measure(Load(port=gateway.port, seconds=seconds), gateway)
    return (answered.cpu_ms or 0.0) * 1000, answered.wrong


def _line(name: str, values: list[float]) -> list[str]:
    lower, _, upper = quantiles(values, n=4) if len(values) > 1 else values * 3
    return [name, figure(median(values)), figure(lower), figure(upper)]
