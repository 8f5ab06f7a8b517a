"""What a second worker gains: answers per second of `llms serve` with one worker and with two, on two cores.

The load generator and the upstream need a part of the two cores, so two workers cannot give twice the answers here.
Three things make the comparison fair:

- The requests cost the gateway much and the others little: besides plain answers, they are streams whose 100 chunks the
  upstream sends in one write.
- One worker has a core of its own, and the load generator and upstream have the other. Two workers share both cores
  with them.
- The upper limit is reported as well. If an answer takes g seconds of CPU in the gateway and l in the load generator
  and the upstream, one worker gives 1/g answers per second, and two cores that are never idle give 2/(g+l), which is
  2g/(g+l) times as many. (The measured ratio can be larger if g or l is smaller with two workers.)

The load is not the bottleneck if the gateway keeps 1 core busy with one worker, and all processes together keep 2 cores
busy with two. The workers share the listening socket, and the kernel gives a connection to the worker that accepts it
first, so there are many connections. The CPU time of the least busy worker is reported as a fraction of the mean.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from statistics import median

import msgspec
from msgspec.structs import replace

from benchmarks.gateways import llms
from benchmarks.measure import Running, measure, started, upstream, wait_until_quiet
from benchmarks.plan import Load
from benchmarks.processes import GATEWAY_CORES, LOAD_CORES, cpu_seconds, tree
from benchmarks.report import figure, machine, say, show, table

_LOADS = {
    "plain": Load(port=0, connections=256),
    "stream": Load(port=0, connections=256, chunks=100, batch=100),
}
_HEADS = (
    "",
    "workers",
    "answers/s",
    "CPU ms per answer",
    "busy cores",
    "of load and upstream",
    "least busy worker",
)
_RATIO_HEADS = ("", "two workers to one", "at most here", "of it, %")
_BOTH_CORES = LOAD_CORES | GATEWAY_CORES


class Site(msgspec.Struct, frozen=True):
    """A gateway with its upstream."""

    workers: int
    gateway: Running
    source: Running
    #: The cores of the load generator.
    cores: set[int]


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One load."""

    #: Correct answers per second.
    rate: float
    #: CPU seconds of the gateway per answer.
    gateway: float
    #: CPU seconds of the load generator and the upstream per answer.
    others: float
    #: The CPU time of the least busy worker, as a fraction of the workers' mean.
    least: float
    wrong: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--rounds", type=int, default=5, help="how often each load is measured")
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="duration of the load in each round"
    )


def run(options: argparse.Namespace) -> int:
    """Measure and print; return the number of wrong answers."""
    if len(_BOTH_CORES) < 2:
        say("this measurement needs two cores")
        return 0
    samples: dict[tuple[str, int], list[Sample]] = {}
    with ExitStack() as stack:
        sites = [
            _start_site(stack, 1, upstream_on=LOAD_CORES, gateway_on=GATEWAY_CORES),
            _start_site(stack, 2, upstream_on=_BOTH_CORES, gateway_on=_BOTH_CORES),
        ]
        for name, load in _LOADS.items():
            say(name)
            timed_load = replace(load, seconds=options.seconds)
            for _ in range(options.rounds + 1):
                for site in sites:
                    samples.setdefault((name, site.workers), []).append(
                        _measure_site(site, timed_load)
                    )
    wrong = sum(sample.wrong for of_site in samples.values() for sample in of_site)
    # The first one only warms up.
    _show_results({key: of_site[1:] for key, of_site in samples.items()})
    return wrong


def _show_results(samples: dict[tuple[str, int], list[Sample]]) -> None:
    show(f"{machine()}\n")
    show(
        table(
            _HEADS,
            [_table_line(name, workers, of_site) for (name, workers), of_site in samples.items()],
        )
    )
    show(
        table(
            _RATIO_HEADS, [_ratio_line(name, samples[name, 1], samples[name, 2]) for name in _LOADS]
        )
    )


def _start_site(
    stack: ExitStack, workers: int, upstream_on: set[int], gateway_on: set[int]
) -> Site:
    source = stack.enter_context(upstream(upstream_on))
    gateway = stack.enter_context(
        started(llms(arguments=("--workers", str(workers))), source.port, gateway_on)
    )
    # The gateway answers as soon as one of its workers has started.
    wait_until_quiet(gateway)
    return Site(workers, gateway, source, upstream_on)


def _measure_site(site: Site, load: Load) -> Sample:
    before = _cpu_by_process(site.gateway)
    upstream_before = cpu_seconds(site.source.pid)
    answered = measure(replace(load, port=site.gateway.port), cores=site.cores)
    spent = sorted(now - before.get(pid, 0.0) for pid, now in _cpu_by_process(site.gateway).items())
    upstream_spent = cpu_seconds(site.source.pid) - upstream_before
    answers = max(1, answered.right)
    # The process that supervises the workers is the least busy of all.
    workers = spent[-site.workers :]
    mean = sum(workers) / site.workers
    return Sample(
        rate=answered.rate,
        gateway=sum(spent) / answers,
        others=(answered.load_cpu + upstream_spent) / answers,
        least=workers[0] / mean,
        wrong=answered.wrong,
    )


def _cpu_by_process(gateway: Running) -> dict[int, float]:
    """Return the CPU seconds so far of each process of a gateway."""
    return {pid: cpu_seconds(pid) for pid in tree(gateway.pid)}


def _table_line(name: str, workers: int, samples: list[Sample]) -> list[str]:
    rate = median(sample.rate for sample in samples)
    gateway = median(sample.gateway for sample in samples)
    others = median(sample.others for sample in samples)
    least = median(sample.least for sample in samples)
    figures = [rate, gateway * 1000, gateway * rate, others * rate, least]
    return [name, str(workers), *map(figure, figures)]


def _ratio_line(name: str, one: list[Sample], two: list[Sample]) -> list[str]:
    ratio = median(second.rate / first.rate for first, second in zip(one, two, strict=True))
    limit = median(2 * sample.gateway / (sample.gateway + sample.others) for sample in one)
    return [name, figure(ratio), figure(limit), figure(100 * ratio / limit)]
