"""Where plugins come from: entry points of installed distributions, and the entries of `[plugins] load`."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import msgspec

from llms_core.errors import PluginError
from llms_core.plugins.hookspecs import PROJECT
from llms_core.plugins.integrity import digest
from llms_core.plugins.report import origin

#: `importlib.metadata.entry_points`, or a replacement in tests.
EntryPoints = Callable[..., Iterable[importlib.metadata.EntryPoint]]


class Source(msgspec.Struct, frozen=True):
    """A plugin that could be loaded. None of its code has been imported yet."""

    name: str
    distribution: str
    version: str
    #: Imports the plugin.
    load: Callable[[], object]
    #: The Requires-Dist lines of the distribution.
    requires: Sequence[str] = ()
    #: Computes the hash of the distribution's files; `str` returns the empty string for a plugin without one.
    digest: Callable[[], str] = str
    #: The module that would be imported; empty for a file.
    module: str = ""
    #: The file that would be run, for a plugin that is one.
    file: Path | None = None
    #: Listed in `[plugins] load`, which exempts it from `[plugins] allow`.
    named: bool = False

    @property
    def origin(self) -> str:
        """The plugin and its distribution, for messages."""
        return origin(self.name, self.distribution, self.version)


class _Metadata(NamedTuple):
    """What a report says of a distribution."""

    name: str
    version: str
    requires: Sequence[str]


def installed(entry_points: EntryPoints) -> list[Source]:
    """Return the plugins of all installed distributions.

    They are sorted by name and distribution, because the file system determines the order of `entry_points`.
    """
    metadata: dict[importlib.metadata.Distribution, _Metadata] = {}
    sources = []
    for point in entry_points(group=PROJECT):
        distribution = point.dist
        # A distribution may have many plugins, and each of its properties reads its metadata again.
        if distribution is not None and distribution not in metadata:
            found = _Metadata(
                distribution.name, distribution.version, tuple(distribution.requires or ())
            )
            metadata[distribution] = found
        sources.append(_from_entry_point(point, metadata))
    return sorted(sources, key=lambda source: (source.name, source.distribution))


def named(load: Iterable[str], folder: Path) -> list[Source]:
    """Return the plugins of `[plugins] load`, in its order: modules, and files relative to `folder`."""
    sources = []
    for entry in load:
        source = _from_file(entry, folder) if _is_path(entry) else _from_module(entry)
        sources.append(source)
    return sources


def _from_entry_point(
    point: importlib.metadata.EntryPoint,
    metadata: Mapping[importlib.metadata.Distribution, _Metadata],
) -> Source:
    distribution = point.dist
    if distribution is None:
        return Source(point.name, "an unknown distribution", "", point.load, module=point.module)
    found = metadata[distribution]
    return Source(
        point.name,
        found.name,
        found.version,
        point.load,
        requires=found.requires,
        digest=partial(digest, distribution),
        module=point.module,
    )


def _is_path(entry: str) -> bool:
    return entry.endswith(".py") or "/" in entry or "\\" in entry


def _from_file(entry: str, folder: Path) -> Source:
    path = folder / Path(entry).expanduser()
    return Source(path.stem, entry, "", partial(_import_file, path), file=path, named=True)


def _from_module(entry: str) -> Source:
    return Source(
        entry, entry, "", partial(importlib.import_module, entry), module=entry, named=True
    )


def _import_file(path: Path) -> ModuleType:
    # The prefix keeps a file such as json.py from replacing a module of that name.
    name = f"llms_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise PluginError(f"no such Python file: {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
