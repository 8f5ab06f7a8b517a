"""The command `llms` without the time that Python takes to import it: hundreds of tests run it.

A process of each worker imports everything once, and forks for each command. A small program stands for the command:
it passes on its arguments, environment, folder, streams and signals, and ends as the fork does. So pipes, exit statuses
and messages are those of a process of its own. Commands that run on a terminal are started as users start them.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

#: What stands for the command. `-I -S` because Python needs nothing else for it, which halves its start.
_CLIENT = (sys.executable, "-I", "-S", str(Path(__file__).with_name("warm_llms_client.py")))

#: Modules that run when they are imported, or that import packages which most commands must do without.
_NOT_IMPORTED = (
    "llms_core.__main__",
    "llms_core.testing",
    "llms_core.prices.compile",
    "llms_core.otel",
)

#: Tests of other environments set `sys.executable` to their Python, which has other packages than this process.
_PYTHON = sys.executable


def command() -> Sequence[str]:
    """Return the beginning of a command line that does the same as `python -m llms_core`."""
    if sys.executable != _PYTHON or not hasattr(os, "pidfd_open"):
        return (sys.executable, "-m", "llms_core")
    return _started()


@cache
def _started() -> Sequence[str]:
    folder = tempfile.TemporaryDirectory(prefix="llms-warm-")
    address = str(Path(folder.name) / "socket")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen(64)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    # It ends when its standard input does, which is when this process ends.
    process = subprocess.Popen(
        [sys.executable, __file__, str(listening.fileno())],
        env=env,
        stdin=subprocess.PIPE,
        pass_fds=[listening.fileno()],
    )
    listening.close()
    atexit.register(folder.cleanup)
    atexit.register(process.communicate)
    return (*_CLIENT, address)


def _serve(listening: socket.socket) -> None:
    """Fork for each command, until standard input ends. It also returns in each fork that is to run a command."""
    while True:
        readable, _, _ = select.select([listening.fileno(), sys.stdin.fileno()], [], [])
        if sys.stdin.fileno() in readable:
            return
        connection, _ = listening.accept()
        # Twice, so that this process does not have to wait for the command.
        child = os.fork()
        if child == 0:
            if os.fork() == 0:
                _answer(connection)
                return
            os._exit(0)
        os.waitpid(child, 0)
        connection.close()


def _answer(connection: socket.socket) -> None:
    """Fork once more, and send the number and the exit status of the fork, which is the one that returns."""
    length, streams, _, _ = socket.recv_fds(connection, 4, 3)
    with connection.makefile("rb") as file:
        asked = json.loads(file.read(int.from_bytes(length, "big")))
    child = os.fork()
    if child == 0:
        connection.close()
        _become(asked, streams)
        return
    for stream in streams:
        os.close(stream)
    ended = os.pidfd_open(child)
    with suppress(OSError):
        connection.sendall(child.to_bytes(4, "big"))
    readable, _, _ = select.select([connection.fileno(), ended], [], [])
    if ended not in readable:
        # What stands for the command was killed.
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with suppress(OSError):
        connection.sendall(status.to_bytes(4, "big", signed=True))
    os._exit(0)


def _become(asked: dict[str, Any], streams: Sequence[int]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.argv = ["llms", *asked["argv"]]
    # `python -m` looks for modules in the current folder first, and then in those of PYTHONPATH.
    given = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [asked["cwd"], *given, *(path for path in sys.path[1:] if path not in given)]
    errors = sys.stdin.errors
    sys.stdin = open(0, encoding="utf-8", errors=errors)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", errors=errors)  # noqa: SIM115
    # As Python itself does.
    sys.stdout.reconfigure(write_through=bool(os.environ.get("PYTHONUNBUFFERED")))
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115


def _import_everything() -> None:
    for package in ("llms_core", "llms_providers"):
        for found in pkgutil.walk_packages(
            importlib.import_module(package).__path__, f"{package}.", lambda name: None
        ):
            if not found.name.startswith(_NOT_IMPORTED):
                with suppress(ImportError):
                    importlib.import_module(found.name)
    gc.collect()
    # The forks share what is there now, as long as nobody writes to it.
    gc.freeze()


def _main() -> NoReturn:
    _import_everything()
    parent = os.getpid()
    with socket.socket(fileno=int(sys.argv[1])) as listening:
        _serve(listening)
    if os.getpid() != parent:
        runpy.run_module("llms_core", run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    _main()
