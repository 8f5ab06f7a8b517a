"""How the cost of a request grows: with providers, models, the prompt, the stream, concurrency and plugins.

CPU time is measured under the row's load. The latency that the gateway adds to the p50 is measured with one request at
a time, except in the rows of concurrency. The rows of one factor take turns, round by round; the figures are medians
of the rounds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median
from typing import Any

import msgspec
from msgspec.structs import replace

from benchmarks.gateways import Gateway, llms, provider
from benchmarks.measure import Running, measure, started, upstream
from benchmarks.options import some_of
from benchmarks.plan import MODEL, Load
from benchmarks.report import figure, machine, say, show, table

_HEADS = ("factor", "value", "CPU ms per request", "CPU µs per part", "ms added to the p50")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One value of a factor: the gateway and its load."""

    value: str
    gateway: Gateway
    load: Load = Load(port=0)
    #: The number of simultaneous requests for which the added latency is measured.
    latency_at: int = 1
    #: What a request consists of, if its cost is also reported for one part: "KB" or "chunk".
    part: str = ""
    #: The number of parts in a request.
    parts: float = 1.0


def _gateway_with_providers(number: int) -> Gateway:
    """All providers have the model, so each is a candidate for each request. The first one answers."""

    def providers(upstream_origin: str) -> dict[str, Any]:
        return {f"p{n}": provider(f"{upstream_origin}/v1", MODEL) for n in range(number)}

    return llms(providers)


def _gateway_with_models(number: int) -> Gateway:
    """The requested model is the last one."""
    others = [f"model-{n}" for n in range(number - 1)]
    return llms(lambda upstream_origin: {"p": provider(f"{upstream_origin}/v1", *others, MODEL)})


def _gateway_with_plugins(number: int) -> Gateway:
    """Each plugin has a provider type, and implements the hooks of a request. The last one's type answers."""
    plugins = {f"plugin_{n}.py": _PLUGIN.format(number=n) for n in range(number)}

    def providers(upstream_origin: str) -> dict[str, Any]:
        block = provider(f"{upstream_origin}/v1", MODEL)
        if number:
            block["type"] = f"of-plugin-{number - 1}"
        return {"p": block}

    return llms(providers, plugins)


_PLUGIN = '''\
"""A plugin that has a provider, sees each request, and counts them."""

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


def _factors() -> dict[str, list[Row]]:
    one_provider = _gateway_with_providers(1)
    return {
        "providers": [Row(value=f"{n}", gateway=_gateway_with_providers(n)) for n in (1, 50)],
        "models": [Row(value=f"{n:,}", gateway=_gateway_with_models(n)) for n in (10, 5000)],
        "prompt": [
            _prompt_row("1 KB", 1_000, one_provider),
            _prompt_row("50 KB", 50_000, one_provider),
            _prompt_row("5 MB", 5_000_000, one_provider),
        ],
        "stream": [_stream_row(n, one_provider) for n in (100, 10_000)],
        "concurrency": [_concurrency_row(n, one_provider) for n in (1, 32, 256, 2000)],
        "plugins": [Row(value=f"{n}", gateway=_gateway_with_plugins(n)) for n in (0, 20)],
    }


# With more connections, long prompts and streams would measure the speed of the machine's memory.
_CONNECTIONS_FOR_LONG = 4


def _prompt_row(value: str, size: int, gateway: Gateway) -> Row:
    load = Load(port=0, connections=_CONNECTIONS_FOR_LONG, prompt=size)
    return Row(value=value, gateway=gateway, load=load, part="KB", parts=size / 1000)


def _stream_row(chunks: int, gateway: Gateway) -> Row:
    load = Load(port=0, connections=_CONNECTIONS_FOR_LONG, chunks=chunks)
    return Row(value=f"{chunks:,} chunks", gateway=gateway, load=load, part="chunk", parts=chunks)


def _concurrency_row(connections: int, gateway: Gateway) -> Row:
    load = Load(port=0, connections=connections)
    return Row(value=f"{connections:,}", gateway=gateway, load=load, latency_at=connections)


FACTORS = _factors()


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--factors",
        type=some_of(FACTORS),
        default=tuple(FACTORS),
        help=f"comma-separated, from {','.join(FACTORS)}",
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often each row is measured")
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="duration of the load in each round"
    )


def run(options: argparse.Namespace) -> int:
    """Measure and print; return the number of wrong answers."""
    lines = []
    wrong = 0
    with upstream() as source:
        for factor in options.factors:
            say(factor)
            rows = FACTORS[factor]
            samples_of_rows = _measure_rows(rows, source, options.rounds, options.seconds)
            for row, samples in zip(rows, samples_of_rows, strict=True):
                wrong += sum(sample.wrong for sample in samples)
                # The first sample only warms the gateway up.
                lines.append(_table_line(factor, row, samples[1:]))
    show(f"{machine()}\n")
    show(table(_HEADS, lines))
    return wrong


class Sample(msgspec.Struct, frozen=True):
    """One round of a row: CPU time and added p50 in ms, and the number of wrong answers."""

    cpu_ms: float
    added: float
    wrong: int


def _measure_rows(
    rows: Sequence[Row], source: Running, rounds: int, seconds: float
) -> list[list[Sample]]:
    """Return the samples of each row, one more than there are rounds."""
    samples: list[list[Sample]] = [[] for _ in rows]
    with ExitStack() as stack:
        gateways: dict[Gateway, Running] = {}
        for row in rows:
            if row.gateway not in gateways:
                gateways[row.gateway] = stack.enter_context(started(row.gateway, source.port))
        for _ in range(rounds + 1):
            for row, of_row in zip(rows, samples, strict=True):
                of_row.append(_measure_row(row, gateways[row.gateway], source, seconds))
    return samples


def _measure_row(row: Row, gateway: Running, source: Running, seconds: float) -> Sample:
    load = replace(row.load, seconds=seconds)
    full = measure(replace(load, port=gateway.port), gateway)
    latency_load = replace(load, connections=row.latency_at)
    through = full
    if latency_load != load:
        through = measure(replace(latency_load, port=gateway.port))
    direct = measure(replace(latency_load, port=source.port))
    return Sample(
        cpu_ms=full.cpu_ms,
        added=through.p50 - direct.p50,
        wrong=full.wrong + through.wrong + direct.wrong,
    )


def _table_line(factor: str, row: Row, samples: Sequence[Sample]) -> list[str]:
    cpu_ms = median(sample.cpu_ms for sample in samples)
    added = median(sample.added for sample in samples)
    part = ""
    if row.part:
        part = f"{figure(cpu_ms * 1000 / row.parts)} per {row.part}"
    return [factor, row.value, figure(cpu_ms), part, figure(added)]
