"""What stays in memory: after many requests and streams, and while many slow streams are open.

It is the resident memory of the gateway's process tree, seen from outside. The first thousand requests fill pools and
caches: growth is told from there on.
"""

from __future__ import annotations

import argparse
import time

from msgspec.structs import replace

from benchmarks.gateways import llms
from benchmarks.measure import Running, loading, measure, outcome, started, stats, upstream
from benchmarks.plan import Answered, Load
from benchmarks.processes import tree_rss
from benchmarks.report import figure, machine, say, show, table

_LONGEST = 1800.0  # seconds for one load
_OPENING = 60.0  # seconds until all slow streams are open
_LOOK = 0.2  # seconds between two looks at the memory while they are
_SETTLING = 2.0  # seconds after the last of them


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    parser.add_argument("--requests", type=int, default=100_000, help="how many, after the first thousand")
    parser.add_argument("--streams", type=int, default=10_000, help="how many of 100 chunks, after the first hundred")
    parser.add_argument("--slow", type=int, default=2000, help="how many streams at once with a chunk a second")
    parser.add_argument("--hold", type=int, default=15, help="how many seconds each of those streams takes")


def run(options: argparse.Namespace) -> int:
    """Measure and print; how many answers were wrong."""
    requests, streams, slow = options.requests, options.streams, options.slow
    steps = {
        "the first requests": (min(1000, requests), min(100, streams)),
        f"{requests:,} requests and {streams:,} streams more": (requests, streams),
    }
    sizes, wrong = {}, 0
    with upstream() as source, started(llms(), source.port) as gateway:
        plain = Load(port=gateway.port, seconds=_LONGEST)
        for name, (whole, streamed) in steps.items():
            say(name)
            wrong += measure(replace(plain, requests=whole)).wrong
            wrong += measure(replace(plain, requests=streamed, chunks=100)).wrong
            sizes[f"after {name}"] = tree_rss(gateway.pid)
        say(f"{slow:,} slow streams")
        sizes[f"while {slow:,} slow streams are open"], answered = _slow(gateway, source, slow, options.hold)
        wrong += answered.wrong
        time.sleep(_SETTLING)
        sizes["after them"] = tree_rss(gateway.pid)
    first = next(iter(sizes.values()))
    rows = [[name, figure(size), f"{100 * (size / first - 1):+.1f}"] for name, size in sizes.items()]
    show(f"{machine()}\n")
    show(table(("", "RSS, MB", "growth, %"), rows))
    return wrong


def _slow(gateway: Running, source: Running, streams: int, hold: int) -> tuple[float, Answered]:
    """The largest memory (MB) while streams of a chunk a second are all open at once, and what came of them."""
    load = Load(port=gateway.port, seconds=_OPENING, requests=streams, connections=streams, chunks=hold, pause=1000.0)
    with loading(load) as process:
        deadline = time.monotonic() + _OPENING
        while stats(source).open < streams:
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError(f"{stats(source).open} of {streams} streams were open at once")
            time.sleep(0.1)
        most = 0.0
        while stats(source).open == streams and time.monotonic() < deadline:
            most = max(most, tree_rss(gateway.pid))
            time.sleep(_LOOK)
        return most, outcome(process, load)
