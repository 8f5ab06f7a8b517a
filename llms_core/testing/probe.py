"""Measures the import of a plugin in a process of its own: the time it takes, and its side effects."""

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

#: Python's audit events (https://docs.python.org/3/library/audit_events.html) that are side effects. `open` is a side
#: effect only if the file is written: see `_describe_open`.
_EFFECTS = {
    "socket.connect": "connects to",
    "socket.bind": "listens at",
    "socket.getaddrinfo": "looks up",
    "socket.gethostbyname": "looks up",
    "socket.sendto": "sends to",
    "urllib.Request": "requests",
    "subprocess.Popen": "starts the process",
    "os.system": "starts the process",
    "os.exec": "starts the process",
    "os.posix_spawn": "starts the process",
    "os.spawn": "starts the process",
    "os.fork": "forks",
    "os.mkdir": "creates the folder",
    "os.remove": "removes",
    "os.rename": "renames",
    "os.rmdir": "removes",
    "os.chdir": "changes the folder to",
    "_thread.start_new_thread": "starts a thread",
    "_thread.start_joinable_thread": "starts a thread",
}
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_TIMEOUT = 60.0  # seconds

#: The modules that every provider may import, so that their import does not count as the plugin's.
_PRELOADED = (
    "llms_core",
    "llms_core.openai_compatible",
    "llms_core.contracts.building",
    "llms_core.contracts.tools",
)


@dataclass(frozen=True)
class ImportReport:
    """What the import of a plugin did."""

    #: In seconds of the CPU, so that other work on the machine does not count.
    seconds: float
    #: What the start of Python and the import of llms_core cost the same process: how fast the machine is.
    core_seconds: float
    #: Descriptions of its side effects, such as "connects to ('10.0.0.1', 80)".
    effects: list[str]


def measure_import(subject: Subject) -> ImportReport:
    """Import the plugin's module in a new process. Raises AssertionError if that fails."""
    report = subject.report
    target = {
        "plugin": report.origin if report is not None else "",
        "plugins": subject.toml.path,
        "module": getattr(subject.spec.adapter, "__module__", ""),
    }
    command = [sys.executable, "-P", "-m", "llms_core.testing.probe", json.dumps(target)]
    finished = subprocess.run(  # noqa: S603 - the program is this module
        command, env=_environment(), capture_output=True, text=True, timeout=_TIMEOUT, check=False
    )
    assert finished.returncode == 0, (
        f"the plugin cannot be imported in a process of its own:\n{finished.stderr}"
    )
    # The plugin itself may print something before.
    found = json.loads(finished.stdout.splitlines()[-1])
    return ImportReport(found["seconds"], found["core_seconds"], found["effects"])


def _environment() -> dict[str, str]:
    """An environment that imports from the same places as this process, and caches bytecode, as a user's does."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPATH"] = os.pathsep.join(sys.path)
    if sys.dont_write_bytecode:
        env["PYTHONPYCACHEPREFIX"] = _bytecode_folder()
    return env


@cache
def _bytecode_folder() -> str:
    folder = TemporaryDirectory(prefix="llms-conformance-")
    atexit.register(folder.cleanup)
    return folder.name


def main() -> None:
    """Import the plugin that the command line describes, and print a report as JSON."""
    import_plugin = _find_import(json.loads(sys.argv[1]))
    for name in _PRELOADED:
        importlib.import_module(name)
    effects: list[str] = []
    watching = True

    def record(event: str, arguments: tuple[Any, ...]) -> None:
        if not watching:
            return
        effect = _describe(event, arguments)
        if effect is not None:
            effects.append(effect)

    # An audit hook cannot be removed again, hence `watching`.
    sys.addaudithook(record)
    core_seconds = time.process_time()
    import_plugin()
    seconds = time.process_time() - core_seconds
    watching = False
    sys.stdout.write(
        json.dumps({"seconds": seconds, "core_seconds": core_seconds, "effects": effects}) + "\n"
    )


def _find_import(target: dict[str, str]) -> Callable[[], object]:
    """Return a function that imports the plugin.

    It is loaded by its entry point or from its file. A type that plugins.toml declares has neither: then the module of
    its adapter is imported.
    """
    given = Path(target["plugins"]) if target["plugins"] else None
    path = places.plugins_toml(given, os.environ)
    if path is None:
        toml = PluginsToml()
        folder = Path()
    else:
        toml = plugins_toml.load(path)
        folder = path.parent
    for source in (*sources.installed(entry_points), *sources.named(toml.plugins.load, folder)):
        if source.origin == target["plugin"]:
            return source.load
    return partial(importlib.import_module, target["module"])


def _describe(event: str, arguments: tuple[Any, ...]) -> str | None:
    """Describe the side effect of an audit event; None if it has none."""
    if event == "open":
        return _describe_open(arguments)
    if event in ("os.mkdir", "os.rename") and _is_bytecode(arguments[0]):
        return None
    effect = _EFFECTS.get(event)
    if effect is None:
        return None
    for argument in arguments:
        if isinstance(argument, str | bytes | int | tuple | list):
            return f"{effect} {argument!s}"
    return effect


def _describe_open(arguments: tuple[Any, ...]) -> str | None:
    path, _, flags = arguments
    is_written = isinstance(flags, int) and flags & _WRITE_FLAGS
    if not is_written or str(path) == os.devnull or _is_bytecode(path):
        return None
    return f"writes the file {path}"


def _is_bytecode(path: object) -> bool:
    """Return whether a path belongs to Python's cache of compiled modules."""
    text = str(path)
    if sys.pycache_prefix is not None and text.startswith(sys.pycache_prefix):
        return True
    return ".pyc" in text or "__pycache__" in text


if __name__ == "__main__":
    main()
