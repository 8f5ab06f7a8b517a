"""The gateways side by side: every phase in rounds, in which each gateway has its turn right after the others.

What a round measures of two gateways is of the same seconds, so that their ratio holds on a machine that others use,
too.
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

_STARTS = 3  # a start is slow, and differs little


def available(names: Iterable[str]) -> list[Gateway]:
    """Those of the gateways that can be had; of the others it is said why not."""
    found = []
    for name in names:
        try:
            found.append(GATEWAYS[name]())
        except Missing as reason:
            say(f"{name} is left out: {reason}")
    return found


def compare(gateways: Sequence[Gateway], phases: Sequence[str], rounds: int, seconds: float) -> list[Result]:
    """Measure. `seconds` are a load's in one round."""
    results = [Result(name=gateway.name) for gateway in gateways]
    with ExitStack() as stack:
        provider = stack.enter_context(upstream())
        if "start" in phases:
            say("start")
            for gateway, result in zip(gateways, results, strict=True):
                result.started = _starts(gateway, provider, min(rounds, _STARTS))
        running = [stack.enter_context(started(gateway, provider.port)) for gateway in gateways]
        under_test = list(zip(running, results, strict=True))
        for each, result in under_test:
            _warm_up(each, result, seconds)
        for phase in (phase for phase in phases if phase != "start"):
            say(phase)
            for _ in range(rounds):
                if phase == "one":
                    _one(provider, under_test, seconds / 4)
                else:
                    _loaded(phase, provider, under_test, seconds)
        for each, result in under_test:
            result.rss = tree_rss(each.pid)
    return results


def _starts(gateway: Gateway, provider: Running, times: int) -> list[float]:
    """Seconds to the first right answer. The first start, which writes compiled files, does not count."""
    seconds = []
    for _ in range(times + 1):
        with started(gateway, provider.port) as running:
            seconds.append(running.started)
    return seconds[1:]


def _warm_up(gateway: Running, result: Result, seconds: float) -> None:
    """Caches, pools and late imports are no part of the figures; the answers are checked all the same."""
    result.take(measure(Load(port=gateway.port, seconds=seconds)))
    if gateway.gateway.streams:
        result.take(measure(Load(port=gateway.port, seconds=seconds, chunks=100)))


def _one(provider: Running, under_test: Sequence[tuple[Running, Result]], seconds: float) -> None:
    """One request at a time: what each gateway adds to the time that the upstream takes by itself."""
    whole = Load(port=provider.port, connections=1, seconds=seconds)
    stream = replace(whole, chunks=2)
    direct, direct_first = measure(whole).p50, measure(stream).first_p50
    for gateway, result in under_test:
        result.added.append(result.take(measure(replace(whole, port=gateway.port))).p50 - direct)
        if gateway.gateway.streams:
            answered = result.take(measure(replace(stream, port=gateway.port)))
            result.added_first.append(answered.first_p50 - direct_first)


def _loaded(phase: str, provider: Running, under_test: Sequence[tuple[Running, Result]], seconds: float) -> None:
    """One round of a phase under load."""
    for gateway, result in under_test:
        load = Load(port=gateway.port, seconds=seconds, **LOADS[phase])
        if load.chunks and not gateway.gateway.streams:
            continue
        if phase == "failover":
            load = replace(load, **gateway.gateway.failover)
        tried = stats(provider).failed
        result.loads.setdefault(phase, []).append(result.take(measure(load, gateway)))
        result.tries += stats(provider).failed - tried
