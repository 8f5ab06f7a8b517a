"""Memory: after many requests and streams, and while many slow streams are open.

The figure is the resident memory of the gateway's process tree, seen from outside. The first thousand requests fill
pools and caches, so growth is relative to the memory after them.
"""

from __future__ import annotations

import argparse
import subprocess
import time

from msgspec.structs import replace

from benchmarks.gateways import llms
from benchmarks.measure import Running, loading, measure, outcome, started, stats, upstream
from benchmarks.plan import Answered, Load
from benchmarks.processes import tree_rss
from benchmarks.report import figure, machine, say, show, table

_MAX_LOAD_SECONDS = 1800.0
_OPEN_TIMEOUT = 60.0  # seconds until all slow streams are open
_POLL_INTERVAL = 0.1  # seconds, while they open
_SAMPLE_INTERVAL = 0.2  # seconds between two samples of the memory while they are open
_SETTLE_SECONDS = 2.0  # after the last of them
_CHUNK_PAUSE = 1000.0  # ms between two chunks of a slow stream


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--requests", type=int, default=100_000, help="number of requests, after the first thousand"
    )
    parser.add_argument(
        "--streams",
        type=int,
        default=10_000,
        help="number of streams of 100 chunks, after the first hundred",
    )
    parser.add_argument(
        "--slow",
        type=int,
        default=2000,
        help="number of simultaneous streams with a chunk per second",
    )
    parser.add_argument(
        "--hold", type=int, default=15, help="duration of each of those streams in seconds"
    )


def run(options: argparse.Namespace) -> int:
    """Measure and print; return the number of wrong answers."""
    requests = options.requests
    streams = options.streams
    slow = options.slow
    sizes: dict[str, float] = {}
    with upstream() as source, started(llms(), source.port) as gateway:
        wrong = _load_twice(gateway, min(1000, requests), min(100, streams), "the first requests")
        sizes["after the first requests"] = tree_rss(gateway.pid)

        name = f"{requests:,} requests and {streams:,} streams more"
        wrong += _load_twice(gateway, requests, streams, name)
        sizes[f"after {name}"] = tree_rss(gateway.pid)

        say(f"{slow:,} slow streams")
        peak, answered = _hold_slow_streams(gateway, source, slow, options.hold)
        wrong += answered.wrong
        sizes[f"while {slow:,} slow streams are open"] = peak

        time.sleep(_SETTLE_SECONDS)
        sizes["after them"] = tree_rss(gateway.pid)
    show(f"{machine()}\n")
    show(_as_table(sizes))
    return wrong


def _as_table(sizes: dict[str, float]) -> str:
    first = next(iter(sizes.values()))
    rows = []
    for name, size in sizes.items():
        growth = 100 * (size / first - 1)
        rows.append([name, figure(size), f"{growth:+.1f}"])
    return table(("", "RSS, MB", "growth, %"), rows)


def _load_twice(gateway: Running, requests: int, streams: int, name: str) -> int:
    """Send requests for whole answers, then for streams; return the number of wrong answers."""
    say(name)
    whole = Load(port=gateway.port, seconds=_MAX_LOAD_SECONDS, requests=requests)
    wrong = measure(whole).wrong
    return wrong + measure(replace(whole, requests=streams, chunks=100)).wrong


def _hold_slow_streams(
    gateway: Running, source: Running, streams: int, seconds: int
) -> tuple[float, Answered]:
    """Return the largest memory (MB) while slow streams are all open at once, and their outcome."""
    load = Load(
        port=gateway.port,
        seconds=_OPEN_TIMEOUT,
        requests=streams,
        connections=streams,
        chunks=seconds,
        pause=_CHUNK_PAUSE,
    )
    with loading(load) as process:
        deadline = time.monotonic() + _OPEN_TIMEOUT
        _wait_until_open(process, source, streams, deadline)
        peak = 0.0
        while stats(source).open == streams and time.monotonic() < deadline:
            peak = max(peak, tree_rss(gateway.pid))
            time.sleep(_SAMPLE_INTERVAL)
        return peak, outcome(process, load)


def _wait_until_open(
    process: subprocess.Popen[bytes], source: Running, streams: int, deadline: float
) -> None:
    while stats(source).open < streams:
        if time.monotonic() > deadline or process.poll() is not None:
            raise RuntimeError(f"{stats(source).open} of {streams} streams were open at once")
        time.sleep(_POLL_INTERVAL)
