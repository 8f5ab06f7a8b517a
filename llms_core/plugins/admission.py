"""Decides from `[plugins]` of plugins.toml which plugins may be imported."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import llms_core
from llms_core.config.locate import JsonPath, nearest
from llms_core.config.model import Plugins
from llms_core.config.places import PLUGINS_TOML
from llms_core.config.plugins_toml import mistake
from llms_core.errors import ConfigError
from llms_core.plugins.report import PluginState
from llms_core.plugins.sources import Source
from llms_core.plugins.versions import unsatisfied

_PIN = re.compile(r"\s*(?:==)?\s*([\w.!+-]+)(?:\s+(sha256:[0-9a-f]{64}))?\s*")

UNTRUSTED = (
    f"[plugins] load is ignored, because {PLUGINS_TOML} was only found in the current folder; to load it, name "
    f"the file: --plugins ./{PLUGINS_TOML}"
)
"""Why plugins of a file that was only found are not imported. It is logged when the file is read."""


class Rejection(NamedTuple):
    """Why a plugin is not imported."""

    state: PluginState
    reason: str


class _Pin(NamedTuple):
    version: str
    #: `sha256:…`, or empty if only the version is pinned.
    digest: str


class Admission:
    """Checks plugins one after another; of two plugins with one name, the first is admitted."""

    def __init__(self, plugins: Plugins, *, trusted: bool = True):
        """Raises ConfigError if a pin is not an exact version. Unless `trusted`, `[plugins] load` loads nothing."""
        self._trusted = trusted
        self._disabled = set(map(_canonical, plugins.disabled))
        #: None if every distribution is allowed, which is the default.
        self._allowed: set[str] | None = None
        if plugins.allow is not None:
            self._allowed = set(map(_canonical, plugins.allow))
        self._pins = {
            _canonical(name): _parse_pin(name, text) for name, text in plugins.pins.items()
        }
        #: By plugin name.
        self._admitted: dict[str, Source] = {}

    def check(self, source: Source) -> Rejection | None:
        """Admit a plugin, or return why it must not be imported."""
        # A plugin that the user disabled is reported as disabled, even if it also does not match its pin.
        names = _names_of(source)
        if names & self._disabled:
            return Rejection("disabled", "listed in [plugins] disabled")
        if not self._is_allowed(source):
            return Rejection(
                "not allowed", f"{source.distribution} is not listed in [plugins] allow"
            )
        if source.named and not self._trusted:
            return Rejection("quarantined", UNTRUSTED)
        reason = (
            self._pin_mismatch(source, names)
            or _incompatibility(source)
            or self._name_conflict(source)
        )
        if reason is not None:
            return Rejection("quarantined", reason)
        self._admitted[source.name] = source
        return None

    def _is_allowed(self, source: Source) -> bool:
        if source.named or self._allowed is None:
            return True
        return _canonical(source.distribution) in self._allowed

    def _pin_mismatch(self, source: Source, names: set[str]) -> str | None:
        for name in names & self._pins.keys():
            pin = self._pins[name]
            if pin.version != source.version:
                return f"pinned to {pin.version}, but {source.version or 'no version'} is installed"
            if not pin.digest:
                continue
            installed = source.digest()
            if installed != pin.digest:
                return f"pinned to {pin.digest}, but the installed files have {installed}"
        return None

    def _name_conflict(self, source: Source) -> str | None:
        first = self._admitted.get(source.name)
        if first is None:
            return None
        return f"two plugins have this name: {first.origin} is used, and {source.origin} is not"


def unknown_names(
    plugins: Plugins, settings: Mapping[str, Any], sources: Iterable[Source], path: str = ""
) -> Iterator[str]:
    """Yield a warning for each name in `[plugins]` or `[plugin.NAME]` that no installed plugin has.

    `path` is that of plugins.toml.
    """
    found = list(sources)
    distributions = {_canonical(source.distribution): source.distribution for source in found}
    names = {**distributions, **{_canonical(source.name): source.name for source in found}}
    places: list[tuple[str, JsonPath]] = [
        (name, ("plugins", "disabled")) for name in plugins.disabled
    ]
    places += [(name, ("plugins", "pins", name)) for name in plugins.pins]
    for name, place in places:
        if _canonical(name) not in names:
            message = f"no plugin or distribution '{name}' is installed, so that this has no effect"
            yield str(mistake(path, place, message, _suggestion(name, names.values())))
    for name in plugins.allow or ():
        if _canonical(name) in distributions:
            continue
        message = f"no distribution '{name}' is installed, so that this allows nothing"
        hint = _suggestion(name, distributions.values())
        # Users know plugins by their own names.
        owners = [
            source.distribution for source in found if _canonical(source.name) == _canonical(name)
        ]
        if owners:
            message = f"'{name}' is the name of a plugin, and not of a distribution, so that this allows nothing"
            hint = f"write '{owners[0]}'"
        yield str(mistake(path, ("plugins", "allow"), message, hint))
    plugin_names = [source.name for source in found]
    for name in settings:
        if name not in plugin_names:
            message = f"no plugin '{name}' is installed"
            yield str(mistake(path, ("plugin", name), message, _suggestion(name, plugin_names)))


def _incompatibility(source: Source) -> str | None:
    version = llms_core.__version__
    required = unsatisfied(source.requires, version)
    if required is None:
        return None
    return f"{source.distribution} requires llms-core {required}, but this is llms-core {version}"


def _parse_pin(name: str, text: str) -> _Pin:
    """Parse `==1.2.3`, or `==1.2.3 sha256:…`."""
    found = _PIN.fullmatch(text)
    if found is None:
        hint = 'write "==1.2.3", or "==1.2.3 sha256:…" with the hash that `llms plugins doctor --pins` prints'
        raise ConfigError(
            f"'{text}' is not an exact version", field=f"plugins.pins.{name}", hint=hint
        )
    return _Pin(version=found[1], digest=found[2] or "")


def _suggestion(name: str, known: Iterable[str]) -> str:
    near = nearest(name, known)
    if near is not None:
        return f"did you mean '{near}'?"
    return "`llms plugins` lists those that are"


def _names_of(source: Source) -> set[str]:
    """The names that plugins.toml may use for a plugin: its own, and its distribution's."""
    return {_canonical(source.name), _canonical(source.distribution)}


def _canonical(name: str) -> str:
    """Normalize a distribution's name as PEP 503 does; plugins' names are compared in the same way."""
    return re.sub(r"[-_.]+", "-", name).lower()
