"""How the cost of a request grows: with providers, models, the prompt, the stream, concurrency and plugins.

CPU time is measured under the row's load; what is added to the p50 with one request at a time, but in the rows of
concurrency. Rows of one factor are measured in turn, round by round; the figures are medians of the rounds.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from statistics import median

import msgspec
from msgspec.structs import replace

from benchmarks.gateways import Gateway, llms, provider
from benchmarks.measure import Running, measure, started, upstream
from benchmarks.options import some_of
from benchmarks.plan import MODEL, Load
from benchmarks.report import figure, machine, say, show, table


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One value of a factor: the gateway, and what is asked of it.

    `latency_at` is how many requests there are at once where the added latency is measured.
    `parts` is how many of `part` (`KB`, `chunk`) there are in a request, where its cost is to be told for one of them.
    """

    value: str
    gateway: Gateway
    load: Load = Load(port=0)
    latency_at: int = 1
    part: str = ""
    parts: float = 1.0


def _providers(number: int) -> Gateway:
    """All have the model, so that each is a candidate of each request; the first one answers."""
    return llms(lambda upstream: {f"p{n}": provider(f"{upstream}/v1", MODEL) for n in range(number)})


def _models(number: int) -> Gateway:
    """The model that is asked for is the last of them."""
    names = [f"model-{n}" for n in range(number - 1)]
    return llms(lambda upstream: {"p": provider(f"{upstream}/v1", *names, MODEL)})


def _plugins(number: int) -> Gateway:
    """One-file plugins, each with a provider type and the hooks that requests come by; the last one's type answers."""
    plugins = {f"plugin_{n}.py": _PLUGIN.format(number=n) for n in range(number)}
    of_plugin = {"type": f"of-plugin-{number - 1}"} if number else {}
    return llms(lambda upstream: {"p": provider(f"{upstream}/v1", MODEL) | of_plugin}, plugins)


_PLUGIN = '''\
"""A plugin that has a provider, looks at each request, and counts."""

from llms_core import hookimpl
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import ProviderSpec

seen = {{"attempts": 0, "requests": 0}}


@hookimpl
def llms_providers():
    return [ProviderSpec(name="of-plugin-{number}", title="Plugin {number}", adapter=OpenAICompatible)]


@hookimpl
def llms_candidates(request, candidates):
    return candidates if request.model else None


@hookimpl
def llms_attempt_finished(attempt):
    seen["attempts"] += 1


@hookimpl
def llms_request_finished(record):
    seen["requests"] += 1
'''


def _rows() -> dict[str, list[Row]]:
    """Every factor. Long prompts and streams are asked few at a time, or it would be memory that is measured."""
    one = _providers(1)
    prompt, stream = Load(port=0, connections=4), Load(port=0, connections=4, chunks=1)
    sizes = {"1 KB": 1_000, "50 KB": 50_000, "5 MB": 5_000_000}
    return {
        "providers": [Row(value=f"{n}", gateway=_providers(n)) for n in (1, 50)],
        "models": [Row(value=f"{n:,}", gateway=_models(n)) for n in (10, 5000)],
        "prompt": [
            Row(value=value, gateway=one, load=replace(prompt, prompt=size), part="KB", parts=size / 1000)
            for value, size in sizes.items()
        ],
        "stream": [
            Row(value=f"{n:,} chunks", gateway=one, load=replace(stream, chunks=n), part="chunk", parts=n)
            for n in (100, 10_000)
        ],
        "concurrency": [
            Row(value=f"{n:,}", gateway=one, load=Load(port=0, connections=n), latency_at=n) for n in (1, 32, 256, 2000)
        ],
        "plugins": [Row(value=f"{n}", gateway=_plugins(n)) for n in (0, 20)],
    }


FACTORS = _rows()


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    parser.add_argument("--factors", type=some_of(FACTORS), default=tuple(FACTORS), help=f"of {','.join(FACTORS)}")
    parser.add_argument("--rounds", type=int, default=3, help="how often each row is measured")
    parser.add_argument("--seconds", type=float, default=1.0, help="of load, in each round")


def run(options: argparse.Namespace) -> int:
    """Measure and print; how many answers were wrong."""
    lines, wrong = [], 0
    with upstream() as source:
        for factor in options.factors:
            say(factor)
            for row, samples in _measured(FACTORS[factor], source, options.rounds, options.seconds):
                lines.append(_line(factor, row, samples[1:]))  # the first one warms up
                wrong += sum(sample.wrong for sample in samples)
    show(f"{machine()}\n")
    show(table(("factor", "value", "CPU ms per request", "CPU µs per part", "ms added to the p50"), lines))
    return wrong


class Sample(msgspec.Struct, frozen=True):
    """A row in one round: CPU time and added p50 in ms, wrong answers."""

    cpu_ms: float
    added: float
    wrong: int


def _measured(
    rows: Sequence[Row], source: Running, rounds: int, seconds: float
) -> Iterator[tuple[Row, Sequence[Sample]]]:
    """Each row with what the rounds gave, and one round before them."""
    with ExitStack() as stack:
        distinct = dict.fromkeys(row.gateway for row in rows)
        gateways = {gateway: stack.enter_context(started(gateway, source.port)) for gateway in distinct}
        taken = [[_sample(row, gateways[row.gateway], source, seconds) for row in rows] for _ in range(rounds + 1)]
    yield from zip(rows, zip(*taken, strict=True), strict=True)


def _sample(row: Row, gateway: Running, source: Running, seconds: float) -> Sample:
    load = replace(row.load, seconds=seconds)
    full = measure(replace(load, port=gateway.port), gateway)
    few = replace(load, connections=row.latency_at)
    through = full if few == load else measure(replace(few, port=gateway.port))
    direct = measure(replace(few, port=source.port))
    return Sample(full.cpu_ms, through.p50 - direct.p50, full.wrong + through.wrong + direct.wrong)


def _line(factor: str, row: Row, samples: Sequence[Sample]) -> list[str]:
    cpu_ms, added = (median(getattr(sample, member) for sample in samples) for member in ("cpu_ms", "added"))
    part = f"{figure(cpu_ms * 1000 / row.parts)} per {row.part}" if row.part else ""
    return [factor, row.value, figure(cpu_ms), part, figure(added)]
