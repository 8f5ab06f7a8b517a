"""The gateways side by side: each phase is measured in rounds, in which the gateways take turns.

A round measures all gateways within the same seconds, so that their ratio is valid even on a machine that does other
work at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack

from msgspec.structs import replace

from benchmarks.gateways import GATEWAYS, Gateway, Missing
from benchmarks.measure import Running, measure, started, stats, upstream
from benchmarks.plan import LOADS, Load
from benchmarks.processes import tree_rss
from benchmarks.report import say
from benchmarks.result import Result

PHASES = ("start", "one", *LOADS)

# A start takes long, and its time varies little.
_MAX_STARTS = 3


def available(names: Iterable[str]) -> list[Gateway]:
    """Return the gateways that this machine has, and report why the others are missing."""
    found = []
    for name in names:
        try:
            found.append(GATEWAYS[name]())
        except Missing as reason:
            say(f"{name} is left out: {reason}")
    return found


def compare(
    gateways: Sequence[Gateway], phases: Sequence[str], rounds: int, seconds: float
) -> list[Result]:
    """Measure all phases; each load takes `seconds` in each round."""
    results = [Result(name=gateway.name) for gateway in gateways]
    with ExitStack() as stack:
        provider = stack.enter_context(upstream())
        if "start" in phases:
            say("start")
            for gateway, result in zip(gateways, results, strict=True):
                result.started = _measure_starts(gateway, provider, min(rounds, _MAX_STARTS))
        running = [stack.enter_context(started(gateway, provider.port)) for gateway in gateways]
        under_test = list(zip(running, results, strict=True))
        for gateway_running, result in under_test:
            _warm_up(gateway_running, result, seconds)
        for phase in phases:
            if phase != "start":
                _measure_phase(phase, provider, under_test, rounds, seconds)
        for gateway_running, result in under_test:
            result.rss = tree_rss(gateway_running.pid)
    return results


def _measure_phase(
    phase: str,
    provider: Running,
    under_test: Sequence[tuple[Running, Result]],
    rounds: int,
    seconds: float,
) -> None:
    say(phase)
    for _ in range(rounds):
        if phase == "one":
            # A round of it consists of many loads, so each of them is shorter.
            _measure_one(provider, under_test, seconds / 4)
        else:
            _measure_load(phase, provider, under_test, seconds)


def _measure_starts(gateway: Gateway, provider: Running, times: int) -> list[float]:
    """Return the seconds to the first correct answer. The first start, which compiles bytecode, does not count."""
    seconds = []
    for _ in range(times + 1):
        with started(gateway, provider.port) as running:
            seconds.append(running.started)
    return seconds[1:]


def _warm_up(gateway: Running, result: Result, seconds: float) -> None:
    """Fill caches and pools, and trigger late imports, before anything is measured. The answers are checked as well."""
    result.take(measure(Load(port=gateway.port, seconds=seconds)))
    if gateway.gateway.streams:
        result.take(measure(Load(port=gateway.port, seconds=seconds, chunks=100)))


def _measure_one(
    provider: Running, under_test: Sequence[tuple[Running, Result]], seconds: float
) -> None:
    """Measure one request at a time: the time that each gateway adds to that of the upstream itself."""
    whole = Load(port=provider.port, connections=1, seconds=seconds)
    stream = replace(whole, chunks=2)
    direct = measure(whole).p50
    direct_first = measure(stream).first_p50
    for gateway, result in under_test:
        answered = result.take(measure(replace(whole, port=gateway.port)))
        result.added.append(answered.p50 - direct)
        if gateway.gateway.streams:
            answered = result.take(measure(replace(stream, port=gateway.port)))
            result.added_first.append(answered.first_p50 - direct_first)


def _measure_load(
    phase: str, provider: Running, under_test: Sequence[tuple[Running, Result]], seconds: float
) -> None:
    """Measure one round of a phase under load."""
    for gateway, result in under_test:
        load = Load(port=gateway.port, seconds=seconds, **LOADS[phase])
        if (load.chunks and not gateway.gateway.streams) or (
            phase == "failover" and not gateway.gateway.fails_over
        ):
            continue
        if phase == "failover":
            load = replace(load, **gateway.gateway.failover)
        failed_before = stats(provider).failed
        answered = result.take(measure(load, gateway))
        result.loads.setdefault(phase, []).append(answered)
        result.tries += stats(provider).failed - failed_before
