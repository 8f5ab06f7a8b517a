"""Where plugins come from: entry points of installed distributions, and one-file plugins that plugins.toml names."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType

import msgspec

from llms_core.errors import PluginError
from llms_core.plugins.hookspecs import PROJECT
from llms_core.plugins.integrity import digest
from llms_core.plugins.report import origin

EntryPoints = Callable[..., Iterable[importlib.metadata.EntryPoint]]
"""`importlib.metadata.entry_points`, or what stands for it."""


class Source(msgspec.Struct, frozen=True):
    """A plugin that could be loaded; nothing of it has been imported. `requires` are its lines of Requires-Dist."""

    name: str
    distribution: str
    version: str
    load: Callable[[], object]
    requires: Sequence[str] = ()
    digest: Callable[[], str] = str
    #: named by plugins.toml itself, which is leave enough
    named: bool = False

    @property
    def origin(self) -> str:
        """The plugin and where it comes from, for messages."""
        return origin(self.name, self.distribution, self.version)


def installed(entry_points: EntryPoints) -> list[Source]:
    """Every entry point of the group, by (name, distribution): the order that does not hang on the file system."""
    sources = []
    for point in entry_points(group=PROJECT):
        dist = point.dist
        if dist is None:
            sources.append(Source(point.name, "an unknown distribution", "", point.load))
        else:
            requires, hashed = dist.requires or (), partial(digest, dist)
            sources.append(Source(point.name, dist.name, dist.version, point.load, requires, hashed))
    return sorted(sources, key=lambda source: (source.name, source.distribution))


def named(load: Iterable[str], folder: Path) -> list[Source]:
    """The one-file plugins of `[plugins] load`, in its order; paths are relative to `folder`."""
    sources = []
    for entry in load:
        if entry.endswith(".py") or "/" in entry or "\\" in entry:
            path = folder / Path(entry).expanduser()
            sources.append(Source(path.stem, entry, "", partial(_file, path), named=True))
        else:
            sources.append(Source(entry, entry, "", partial(importlib.import_module, entry), named=True))
    return sources


def _file(path: Path) -> ModuleType:
    name = f"llms_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise PluginError(f"there is no Python file {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
