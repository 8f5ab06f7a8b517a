"""Processes of the benchmark: started on their cores, always ended, and looked at from outside. Linux only."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

if sys.platform != "linux":
    raise SystemExit("The benchmarks read CPU time and memory from /proc: they need Linux.")

_CORES = sorted(os.sched_getaffinity(0))
LOAD_CORES = set(_CORES[:1])
"""Load generator and upstream; the gateway's too on a machine of one core, where its CPU time still says something."""

GATEWAY_CORES = set(_CORES[1:2]) or LOAD_CORES

_KEPT = ("PATH", "LANG", "LD_LIBRARY_PATH", "TMPDIR")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")
_PATIENCE = 5.0


@contextmanager
def running(
    command: Sequence[str], cores: set[int], folder: Path, env: Mapping[str, str] = {}
) -> Iterator[subprocess.Popen[bytes]]:
    """A process on some cores, at home in a folder, its output in `log` there; it and its children are ended after.

    Of this machine's environment it gets what it takes to run: no keys, no proxies, no settings of the gateway's.
    """
    given = {name: os.environ[name] for name in _KEPT if name in os.environ}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**given, "HOME": str(folder), **env},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=partial(os.sched_setaffinity, 0, cores),
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process of a session of its own, and whatever of that session is left."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_PATIENCE)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(_PATIENCE)


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def tree(pid: int) -> list[int]:
    """A process and its descendants, those that are there still."""
    found = [pid]
    for each in found:
        with suppress(OSError):
            for task in Path(f"/proc/{each}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def cpu_seconds(pid: int) -> float:
    """What one process and its ended children have used so far, all threads, user and system.

    The process's own is the kernel's clock of it, to the nanosecond: counted in ticks of 10 ms it would be too coarse.
    """
    try:
        own = time.clock_gettime(~pid << 3 | 2)  # as clock_getcpuclockid(3) makes it: CPUCLOCK_SCHED of a process
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0  # it ended just now: its parent has it
    return own + (int(stat[13]) + int(stat[14])) / _TICK


def tree_cpu_seconds(pid: int) -> float:
    """What a process and all its descendants have used so far."""
    return sum(map(cpu_seconds, tree(pid)))


def tree_rss(pid: int) -> float:
    """Resident memory of a process and all its descendants, in MB."""
    pages = 0
    for each in tree(pid):
        with suppress(OSError):
            pages += int(Path(f"/proc/{each}/statm").read_text().split()[1])
    return pages * _PAGE / 1e6


def raise_file_limit() -> None:
    """As many sockets as this user may open; children inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
