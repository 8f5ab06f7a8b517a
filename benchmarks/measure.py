"""Starts a gateway, and measures one load on it."""

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
START_TIMEOUT = 120.0
"""Seconds until the first correct answer of a gateway; LiteLLM compiles all of its bytecode at its first start."""

_LOAD_MARGIN = (
    60.0  # seconds that a load may take beyond its own, for its start and the last answers
)
_POLL_INTERVAL = 0.005  # seconds

# A gateway is quiet when it hardly uses any CPU.
_QUIET_SECONDS = 0.5
_QUIET_CPU_SECONDS = _QUIET_SECONDS / 10
_QUIET_TIMEOUT = 60.0  # seconds


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway that answers requests."""

    gateway: Gateway
    port: int
    pid: int
    #: Seconds from the start of its process to its first correct answer.
    started: float


@contextmanager
def upstream(cores: set[int] = LOAD_CORES) -> Iterator[Running]:
    """Run the mock provider; it is started in the same way as a gateway."""
    command = [sys.executable, "-m", "benchmarks.upstream"]
    gateway = Gateway(
        name="upstream",
        command=lambda port, *_: [*command, str(port)],
        env={"PYTHONPATH": str(ROOT)},
    )
    with started(gateway, 0, cores) as running_upstream:
        yield running_upstream


@contextmanager
def started(
    gateway: Gateway, upstream_port: int, cores: set[int] = GATEWAY_CORES
) -> Iterator[Running]:
    """Run a gateway in front of the upstream on that port. Raises RuntimeError if it does not start."""
    with tempfile.TemporaryDirectory(prefix="llms-benchmark-") as name:
        folder = Path(name)
        port = free_port()
        command = gateway.command(port, f"http://127.0.0.1:{upstream_port}", folder)
        began = time.monotonic()
        with running(command, cores, folder, gateway.env) as process:
            problem = _wait_for_answer(process, port)
            if problem is not None:
                log = (folder / "log").read_text("utf-8", errors="replace")[-2000:]
                raise RuntimeError(f"{gateway.name} did not start: {problem}\n{log}")
            yield Running(
                gateway=gateway,
                port=port,
                pid=process.pid,
                started=time.monotonic() - began,
            )


def _wait_for_answer(process: subprocess.Popen[bytes], port: int) -> str | None:
    """Wait for a correct answer. Returns None when it has arrived, or the problem if it does not."""
    load = Load(port=port)
    deadline = time.monotonic() + START_TIMEOUT
    problem: str | None = "no answer"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return f"it ended with {process.returncode}"
        try:
            status, answer = _exchange(port, "POST", load.path, body(load), headers(load))
        except (OSError, HTTPException):
            time.sleep(_POLL_INTERVAL)
            continue
        problem = fault(load, status, answer)
        if problem is None:
            return None
    return problem


def wait_until_quiet(gateway: Running) -> None:
    """Wait until a gateway has done what it does after its start: it answers before that."""
    deadline = time.monotonic() + _QUIET_TIMEOUT
    before = -1.0
    while time.monotonic() < deadline:
        used = tree_cpu_seconds(gateway.pid)
        if used - before <= _QUIET_CPU_SECONDS:
            return
        before = used
        time.sleep(_QUIET_SECONDS)


def _exchange(
    port: int, method: str, path: str, content: bytes, fields: dict[str, str]
) -> tuple[int, bytes]:
    """Send a request, and return the status and body of the response."""
    connection = HTTPConnection("127.0.0.1", port, timeout=START_TIMEOUT)
    try:
        connection.request(method, path, content, fields)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def stats(source: Running) -> Stats:
    """Return the upstream's statistics so far."""
    _, content = _exchange(source.port, "GET", "/stats", b"", {})
    return msgspec.json.decode(content, type=Stats)


@contextmanager
def loading(load: Load, cores: set[int] = LOAD_CORES) -> Iterator[subprocess.Popen[bytes]]:
    """Run a load; `outcome` waits for its end."""
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
    """Wait for the end of a load, and return its outcome. Raises RuntimeError if the load generator fails."""
    output, _ = process.communicate(timeout=load.seconds + _LOAD_MARGIN)
    if process.returncode:
        raise RuntimeError(f"the load generator ended with {process.returncode}")
    return msgspec.json.decode(output, type=Answered)


def measure(load: Load, gateway: Running | None = None, cores: set[int] = LOAD_CORES) -> Answered:
    """Run a load, and return its outcome, including the CPU time of `gateway` if it is given."""
    before = tree_cpu_seconds(gateway.pid) if gateway is not None else 0.0
    with loading(load, cores) as process:
        answered = outcome(process, load)
    if gateway is not None and answered.right:
        cpu_seconds = tree_cpu_seconds(gateway.pid) - before
        answered.cpu_ms = cpu_seconds * 1000 / answered.right
    return answered
