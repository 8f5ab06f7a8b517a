"""The processes of a benchmark: started on their cores, always stopped, and measured from outside. Linux only."""

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
"""The core of the load generator and the upstream.

A machine with one core runs the gateway there as well; its CPU time is still meaningful.
"""

GATEWAY_CORES = set(_CORES[1:2]) or LOAD_CORES

_KEPT_VARIABLES = ("PATH", "LANG", "LD_LIBRARY_PATH", "TMPDIR")
_PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_STOP_TIMEOUT = 5.0  # seconds

# Positions in /proc/PID/stat after the name in parentheses, which may contain spaces: see proc_pid_stat(5).
_CHILDREN_USER_TIME = 13
_CHILDREN_SYSTEM_TIME = 14

_RESIDENT_PAGES = 1  # position in /proc/PID/statm


@contextmanager
def running(
    command: Sequence[str], cores: set[int], folder: Path, env: Mapping[str, str] = {}
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process on some cores, with a folder as its home; its output goes to `log` in that folder.

    The process and its children are stopped afterwards. Its environment contains none of this machine's keys, proxies
    and settings for gateways.
    """
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**kept, "HOME": str(folder), **env},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=partial(os.sched_setaffinity, 0, cores),
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a process that has its own session, and every other process of that session."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_TIMEOUT)
    # Children may outlive it even if it ended in time.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(_STOP_TIMEOUT)


def free_port() -> int:
    """Return a port of this machine on which nothing listens now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def tree(pid: int) -> list[int]:
    """Return a process and all its descendants that are still running."""
    pids = [pid]
    # The list grows during the loop, so that children of children are visited as well.
    for parent in pids:
        with suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                pids += map(int, (task / "children").read_text().split())
    return pids


def cpu_seconds(pid: int) -> float:
    """Return the CPU time, user and system, of all threads of a process and of its children that have ended.

    The process's own time comes from its kernel clock, which counts nanoseconds: the ticks of 10 ms in /proc would be
    too coarse.
    """
    # As clock_getcpuclockid(3) computes it: the id of the clock CPUCLOCK_SCHED of a process.
    clock_id = ~pid << 3 | 2
    try:
        own = time.clock_gettime(clock_id)
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0  # it has just ended: its parent has the time now
    fields = stat.rpartition(")")[2].split()
    children = int(fields[_CHILDREN_USER_TIME]) + int(fields[_CHILDREN_SYSTEM_TIME])
    return own + children / _TICKS_PER_SECOND


def tree_cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and all its descendants."""
    return sum(map(cpu_seconds, tree(pid)))


def tree_rss(pid: int) -> float:
    """Return the resident memory of a process and all its descendants, in MB."""
    pages = 0
    for each in tree(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{each}/statm").read_text().split()
            pages += int(fields[_RESIDENT_PAGES])
    return pages * _PAGE_SIZE / 1e6


def raise_file_limit() -> None:
    """Allow as many open sockets as this user may have; child processes inherit the limit."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
