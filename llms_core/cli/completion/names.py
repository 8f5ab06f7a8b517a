"""The names that can be completed: commands, providers and models, from the user's files.

To find them all takes as long as to start a command that needs the plugins, about 0.3 s. So they are kept in the user's
folder, beside what they depend on: the files that were read, the variables that were looked up, the installed packages.
"""

from __future__ import annotations

import os
import re
import sysconfig
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import click
import msgspec

from llms_core import __version__
from llms_core.config import env_file, places
from llms_core.errors import LlmsError

FILE = "completion.json"
"""The name of the file in the user's folder."""

#: Seconds after which names are found again even if nothing has changed, as far as can be seen.
_MAX_AGE = 24 * 3600.0
#: Configurations, of which a folder may have its own, whose names are kept.
_MAX_KEPT = 8

#: What a shell takes for one word, without quotes. Other names are not completed: a file of somebody else's, in the
#: current folder, must not put commands into the line.
_WORD = re.compile(r"[\w./:@+=,%-]+")

#: llms.py's catalogue of providers and models.
CATALOGUE = ("providers.json", "providers-extra.json")

Stamp = tuple[str, int, int]
"""A path, its time of modification in nanoseconds, and its size; zeros if there is no such file."""


class Provider(msgspec.Struct):
    """A provider in llms.json."""

    is_enabled: bool
    models: list[str]


class Known(msgspec.Struct):
    """The names."""

    #: All commands, with their short help.
    commands: dict[str, str] = {}
    providers: dict[str, Provider] = {}
    #: Providers that are installed, and may be added to llms.json.
    installable: list[str] = []
    #: Types of providers.
    types: list[str] = []


class _Entry(msgspec.Struct):
    """The names for one pair of files, and what they depend on."""

    version: str
    #: In Unix seconds.
    made: float
    stamps: list[Stamp]
    #: Whether each variable had a value.
    variables: dict[str, bool]
    names: Known


_Entries = dict[str, _Entry]


class _Lookups(Mapping[str, str]):
    """The environment; it notes which variables are looked up."""

    def __init__(self, env: Mapping[str, str]):
        self._env = env
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self._env[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._env)

    def __len__(self) -> int:
        return len(self._env)


def known(ctx: click.Context) -> Known:
    """Return the names for the files of this command line. An invalid file has none."""
    found: Known | None = ctx.meta.get(__name__)
    if found is None:
        try:
            config = places.llms_json(_option(ctx, "config"), os.environ)
            plugins = places.plugins_toml(_option(ctx, "plugins"), os.environ)
            found = _known(ctx, config, plugins)
        except LlmsError:
            found = Known()
        ctx.meta[__name__] = found
    return found


def _option(ctx: click.Context, name: str) -> Path | None:
    """The value of an option of this command, or else of the one before its name."""
    value: Path | None = ctx.params.get(name) or ctx.find_root().params.get(name)
    return value


def _known(ctx: click.Context, config: Path | None, plugins: Path | None) -> Known:
    """Return the names that are kept if they are still right, or else find them, and keep them."""
    folder = places.own_home(os.environ)
    if folder is None:
        return _found(ctx, config, plugins).names
    file = folder / FILE
    entries = _read(file)
    files = "\n".join("" if path is None else str(path.absolute()) for path in (config, plugins))
    entry = entries.pop(files, None)
    if entry is None or not _is_current(entry):
        entry = _found(ctx, config, plugins)
        latest = dict(list(entries.items())[1 - _MAX_KEPT :])
        _write(file, {**latest, files: entry})
    return entry.names


def _found(ctx: click.Context, config: Path | None, plugins: Path | None) -> _Entry:
    """Read the files and load the plugins. Raises ConfigError."""
    from llms_core import default_config, startup
    from llms_core.cli import plugin_commands

    env = _Lookups(os.environ)
    # Before the files are read, so that no change is missed.
    stamps = [_stamp(path) for path in _dependencies(config, plugins)]
    toml, host = plugin_commands.load_plugins(ctx, plugins)
    stamps += [_stamp(Path(toml.path).parent / each) for each in toml.plugins.load]
    started = startup.with_plugins(toml, host, config, env=env)
    providers = {}
    for item in started.configured:
        names = [model.names[0] for model in item.provider.models]
        providers[item.id] = Provider(item.disabled is None, _words(names))
    return _Entry(
        version=__version__,
        made=time.time(),
        stamps=stamps,
        variables={name: bool(os.environ.get(name)) for name in sorted(env.names)},
        names=Known(
            commands=_commands(ctx.find_root()),
            providers={name: providers[name] for name in _words(providers)},
            installable=_words(
                name for name in default_config.names(host) if name not in providers
            ),
            types=_words(sorted({spec.name for spec in host.specs.values()})),
        ),
    )


def _commands(root: click.Context) -> dict[str, str]:
    """The commands, with their short help."""
    group = root.command
    if not isinstance(group, click.Group):
        return {}
    found = {}
    for name in _words(group.list_commands(root)):
        command = group.get_command(root, name)
        if command is not None and not command.hidden:
            found[name] = command.get_short_help_str()
    return found


def _words(names: Iterable[str]) -> list[str]:
    """The names that can be completed."""
    return [name for name in names if _WORD.fullmatch(name)]


def _is_current(entry: _Entry) -> bool:
    age = time.time() - entry.made
    if entry.version != __version__ or not 0 <= age < _MAX_AGE:
        return False
    for name, was_set in entry.variables.items():
        if bool(os.environ.get(name)) is not was_set:
            return False
    return all(stamp == _stamp(Path(stamp[0])) for stamp in entry.stamps)


def _dependencies(config: Path | None, plugins: Path | None) -> list[Path]:
    """The files and folders that decide which names there are."""
    found = [path for path in (config, plugins) if path is not None]
    folders = [places.home(os.environ), *(path.parent for path in found)]
    found += [folder / name for folder in folders for name in CATALOGUE]
    found += [*env_file.paths(os.environ, config), *env_file.paths(os.environ, plugins)]
    # A folder changes with what is installed in it.
    return [*found, Path(sysconfig.get_path("purelib"))]


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return str(path.absolute()), 0, 0
    return str(path.absolute()), status.st_mtime_ns, status.st_size


def _read(file: Path) -> _Entries:
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Entries)
    except (OSError, msgspec.DecodeError, RecursionError):
        return {}


def _write(file: Path, entries: _Entries) -> None:
    """Replace the file at once. What cannot be kept is found again the next time."""
    from tempfile import NamedTemporaryFile

    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        # Readable by its owner alone.
        with NamedTemporaryFile(
            dir=file.parent, prefix=f".{file.name}.", delete=False
        ) as temporary:
            temporary.write(msgspec.json.encode(entries))
        Path(temporary.name).replace(file)
