"""A gateway brought up, and one load on it measured."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import msgspec

from benchmarks.gateways import Gateway
from benchmarks.plan import Answered, Load, body, fault, headers
from benchmarks.processes import GATEWAY_CORES, LOAD_CORES, free_port, running, tree_cpu_seconds
from benchmarks.upstream import Stats

ROOT = Path(__file__).parents[1]
STARTING = 120.0
"""Seconds that a gateway may take to its first right answer; LiteLLM's first start compiles all of it."""

_MARGIN = 60.0  # seconds for a load beyond its own: its start, and the last answers
_LOOK = 0.005


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway that answers. `started` is how long it took, in seconds from its process's start."""

    gateway: Gateway
    port: int
    pid: int
    started: float


@contextmanager
def upstream(cores: set[int] = LOAD_CORES) -> Iterator[Running]:
    """The mock provider, as if it were a gateway."""
    command = [sys.executable, "-m", "benchmarks.upstream"]
    gateway = Gateway(name="upstream", command=lambda port, *_: [*command, str(port)], env={"PYTHONPATH": str(ROOT)})
    with started(gateway, 0, cores) as running:
        yield running


@contextmanager
def started(gateway: Gateway, upstream: int, cores: set[int] = GATEWAY_CORES) -> Iterator[Running]:
    """A gateway before the upstream on that port, until the block is left. Raises RuntimeError if it does not start."""
    with tempfile.TemporaryDirectory(prefix="llms-benchmark-") as name:
        folder, port = Path(name), free_port()
        command = gateway.command(port, f"http://127.0.0.1:{upstream}", folder)
        began = time.monotonic()
        with running(command, cores, folder, gateway.env) as process:
            problem = _first_answer(process, port)
            if problem is not None:
                log = (folder / "log").read_text("utf-8", errors="replace")[-2000:]
                raise RuntimeError(f"{gateway.name} did not start: {problem}\n{log}")
            yield Running(gateway=gateway, port=port, pid=process.pid, started=time.monotonic() - began)


def _first_answer(process: subprocess.Popen[bytes], port: int) -> str | None:
    """Wait for a right answer; what was wrong where none comes."""
    load = Load(port=port)
    deadline = time.monotonic() + STARTING
    problem: str | None = "no answer"
    while problem is not None and time.monotonic() < deadline:
        if process.poll() is not None:
            return f"it ended with {process.returncode}"
        try:
            problem = fault(load, *_exchange(port, "POST", load.path, body(load), headers(load)))
        except (OSError, HTTPException):
            time.sleep(_LOOK)
    return problem


def _exchange(port: int, method: str, path: str, content: bytes, fields: dict[str, str]) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=STARTING)
    try:
        connection.request(method, path, content, fields)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def stats(upstream: Running) -> Stats:
    """What the upstream was asked so far."""
    return msgspec.json.decode(_exchange(upstream.port, "GET", "/stats", b"", {})[1], type=Stats)


@contextmanager
def loading(load: Load, cores: set[int] = LOAD_CORES) -> Iterator[subprocess.Popen[bytes]]:
    """A load that runs; `outcome` waits for what came of it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load", msgspec.json.encode(load).decode()],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        preexec_fn=partial(os.sched_setaffinity, 0, cores),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def outcome(process: subprocess.Popen[bytes], load: Load) -> Answered:
    """What came of a load, once it is over."""
    told, _ = process.communicate(timeout=load.seconds + _MARGIN)
    if process.returncode:
        raise RuntimeError(f"the load generator ended with {process.returncode}")
    return msgspec.json.decode(told, type=Answered)


def measure(load: Load, gateway: Running | None = None, cores: set[int] = LOAD_CORES) -> Answered:
    """Do a load; with a gateway, what it costs that."""
    before = tree_cpu_seconds(gateway.pid) if gateway is not None else 0.0
    with loading(load, cores) as process:
        answered = outcome(process, load)
    if gateway is not None and answered.right:
        answered.cpu_ms = (tree_cpu_seconds(gateway.pid) - before) * 1000 / answered.right
    return answered
