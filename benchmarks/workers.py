"""What a second worker brings: answers per second of `llms serve` with one worker and with two, on two cores.

Load generator and upstream need a part of the two cores, so that two workers cannot give twice the answers here. Three
things make the comparison fair. What is asked costs the gateway much and the others little: besides plain answers,
streams whose 100 chunks the upstream sends in one write. One worker has a core of its own, with load and upstream on
the other; two workers share both cores with them. And what there could be at most is told: if an answer takes g seconds
of CPU in the gateway and l in load and upstream, one worker gives 1/g answers per second, and two cores that are never
idle 2/(g+l), which is 2g/(g+l) times as many. (More than that is measured where g or l shrinks with two.)

The load limits nothing where the gateway's busy cores are 1 with one worker, and where all busy cores are 2 with two.
The workers share the listening socket, and the kernel gives a connection to whichever accepts it first: hence many
connections. The least busy worker's CPU time is told as a part of the mean.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from statistics import median

import msgspec
from msgspec.structs import replace

from benchmarks.gateways import llms
from benchmarks.measure import Running, measure, started, upstream
from benchmarks.plan import Load
from benchmarks.processes import GATEWAY_CORES, LOAD_CORES, cpu_seconds, tree
from benchmarks.report import figure, machine, say, show, table

_ASKED = {
    "plain": Load(port=0, connections=256),
    "stream": Load(port=0, connections=256, chunks=100, batch=100),
}
_HEADS = ("", "workers", "answers/s", "CPU ms per answer", "busy cores", "of load and upstream", "least busy worker")
_BOTH = LOAD_CORES | GATEWAY_CORES
_QUIET, _LONGEST = 0.5, 60.0  # seconds without work until all workers are up, and at most


class Site(msgspec.Struct, frozen=True):
    """A gateway with its upstream, and the cores of the load."""

    workers: int
    gateway: Running
    source: Running
    cores: set[int]


class Sample(msgspec.Struct, frozen=True):
    """One load: right answers per second, CPU seconds of the gateway and of the others per answer, evenness."""

    rate: float
    gateway: float
    others: float
    least: float
    wrong: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured")
    parser.add_argument("--seconds", type=float, default=3.0, help="of load, in each round")


def run(options: argparse.Namespace) -> int:
    """Measure and print; how many answers were wrong."""
    if len(_BOTH) < 2:
        say("it takes two cores")
        return 0
    taken: dict[tuple[str, int], list[Sample]] = {}
    with ExitStack() as stack:
        sites = [
            _site(stack, 1, upstream_on=LOAD_CORES, gateway_on=GATEWAY_CORES),
            _site(stack, 2, upstream_on=_BOTH, gateway_on=_BOTH),
        ]
        for name, load in _ASKED.items():
            say(name)
            for _ in range(options.rounds + 1):
                for site in sites:
                    taken.setdefault((name, site.workers), []).append(
                        _sample(site, replace(load, seconds=options.seconds))
                    )
    show(f"{machine()}\n")
    lines = [_line(name, workers, samples[1:]) for (name, workers), samples in taken.items()]  # the first one warms up
    show(table(_HEADS, lines))
    ratios = [_ratios(name, taken[name, 1][1:], taken[name, 2][1:]) for name in _ASKED]
    show(table(("", "two workers to one", "at most here", "of it, %"), ratios))
    return sum(sample.wrong for samples in taken.values() for sample in samples)


def _site(stack: ExitStack, workers: int, upstream_on: set[int], gateway_on: set[int]) -> Site:
    source = stack.enter_context(upstream(upstream_on))
    gateway = stack.enter_context(started(llms(arguments=("--workers", str(workers))), source.port, gateway_on))
    deadline, before = time.monotonic() + _LONGEST, -1.0
    while (now := sum(_used(gateway).values())) - before > _QUIET / 10 and time.monotonic() < deadline:
        before = now
        time.sleep(_QUIET)
    return Site(workers, gateway, source, upstream_on)


def _sample(site: Site, load: Load) -> Sample:
    before, upstream_before = _used(site.gateway), cpu_seconds(site.source.pid)
    answered = measure(replace(load, port=site.gateway.port), cores=site.cores)
    spent = sorted(now - before.get(pid, 0.0) for pid, now in _used(site.gateway).items())
    others = answered.load_cpu + cpu_seconds(site.source.pid) - upstream_before
    answers, busiest = max(1, answered.right), spent[-site.workers :]
    least = busiest[0] / (sum(busiest) / site.workers)
    return Sample(answered.rate, sum(spent) / answers, others / answers, least, answered.wrong)


def _used(gateway: Running) -> dict[int, float]:
    """CPU seconds so far, by process."""
    return {pid: cpu_seconds(pid) for pid in tree(gateway.pid)}


def _line(name: str, workers: int, samples: list[Sample]) -> list[str]:
    rate = median(sample.rate for sample in samples)
    gateway, others = (median(getattr(sample, member) for sample in samples) for member in ("gateway", "others"))
    least = median(sample.least for sample in samples)
    cells = [rate, gateway * 1000, gateway * rate, others * rate, least]
    return [name, str(workers), *map(figure, cells)]


def _ratios(name: str, one: list[Sample], two: list[Sample]) -> list[str]:
    rounds = list(zip(one, two, strict=True))
    ratio = median(second.rate / first.rate for first, second in rounds)
    bound = median(2 * first.gateway / (first.gateway + first.others) for first, _ in rounds)
    return [name, figure(ratio), figure(bound), figure(100 * ratio / bound)]
