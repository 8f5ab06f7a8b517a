"""What the import of a plugin does, watched in a process of its own: its time, and its effects on the outside."""

from __future__ import annotations

import atexit
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import entry_points
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from llms_core.config import places, plugins_toml
from llms_core.config.model import PluginsToml
from llms_core.plugins import sources
from llms_core.testing.subject import Subject

_EFFECTS = {
    "socket.connect": "connects to",
    "socket.bind": "listens at",
    "socket.getaddrinfo": "looks up",
    "socket.gethostbyname": "looks up",
    "socket.sendto": "sends to",
    "urllib.Request": "asks for",
    "subprocess.Popen": "starts the process",
    "os.system": "starts the process",
    "os.exec": "starts the process",
    "os.posix_spawn": "starts the process",
    "os.spawn": "starts the process",
    "os.fork": "forks",
    "os.mkdir": "makes the folder",
    "os.remove": "removes",
    "os.rename": "renames",
    "os.rmdir": "removes",
    "os.chdir": "changes the folder to",
    "_thread.start_new_thread": "starts a thread",
    "_thread.start_joinable_thread": "starts a thread",
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_PATIENCE = 60.0


@dataclass(frozen=True)
class Imported:
    """Seconds that the import took, and what it did besides."""

    seconds: float
    effects: list[str]


def imported(subject: Subject) -> Imported:
    """Import the plugin's module in a new process, after all that it may import of llms_core."""
    report = subject.report
    wanted = {
        "plugin": report.origin if report is not None else "",
        "plugins": subject.toml.path,
        "module": getattr(subject.spec.adapter, "__module__", ""),
    }
    command = [sys.executable, "-P", "-m", "llms_core.testing.probe", json.dumps(wanted)]
    done = subprocess.run(  # noqa: S603 - it is ours
        command, env=_cached(), capture_output=True, text=True, timeout=_PATIENCE, check=False
    )
    assert done.returncode == 0, f"the plugin cannot be imported alone:\n{done.stderr}"
    found = json.loads(done.stdout.splitlines()[-1])
    return Imported(found["seconds"], found["effects"])


@cache
def _caches() -> str:
    folder = TemporaryDirectory(prefix="llms-conformance-")
    atexit.register(folder.cleanup)
    return folder.name


def _cached() -> dict[str, str]:
    """An environment that imports from where this process does, and keeps what was compiled, as users' do."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPATH"] = os.pathsep.join(sys.path)
    return {**env, "PYTHONPYCACHEPREFIX": _caches()} if sys.dont_write_bytecode else env


def _load(wanted: dict[str, str]) -> Callable[[], object]:
    """What imports the plugin: its entry point, its file, or the module of the adapter of a declared type."""
    path = places.plugins_toml(Path(wanted["plugins"]) if wanted["plugins"] else None, os.environ)
    toml = plugins_toml.load(path) if path is not None else PluginsToml()
    folder = path.parent if path is not None else Path()
    for source in (*sources.installed(entry_points), *sources.named(toml.plugins.load, folder)):
        if source.origin == wanted["plugin"]:
            return source.load
    return partial(importlib.import_module, wanted["module"])


def main() -> None:
    """Import what the command line says, and write down what that did."""
    load = _load(json.loads(sys.argv[1]))
    for name in (
        "llms_core",
        "llms_core.openai_compatible",
        "llms_core.contracts.building",
        "llms_core.contracts.tools",
    ):
        importlib.import_module(name)
    effects: list[str] = []
    watching = True

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if watching and (effect := _effect(event, arguments)):
            effects.append(effect)

    sys.addaudithook(watch)
    begin = time.perf_counter()
    load()
    seconds = time.perf_counter() - begin
    watching = False
    sys.stdout.write(json.dumps({"seconds": seconds, "effects": effects}) + "\n")


def _effect(event: str, arguments: tuple[Any, ...]) -> str | None:
    if event == "open":
        path, _, flags = arguments
        writes = isinstance(flags, int) and flags & _WRITING and str(path) != os.devnull
        return f"writes the file {path}" if writes and not _is_compiled(path) else None
    if event in ("os.mkdir", "os.rename") and _is_compiled(arguments[0]):
        return None
    what = _EFFECTS.get(event)
    if what is None:
        return None
    shown = [str(each) for each in arguments if isinstance(each, str | bytes | int | tuple | list)]
    return f"{what} {shown[0]}" if shown else what


def _is_compiled(path: object) -> bool:
    """What Python itself keeps of modules that it has compiled."""
    return ".pyc" in str(path) or "__pycache__" in str(path) or str(path).startswith(sys.pycache_prefix or "\0")


if __name__ == "__main__":
    main()
