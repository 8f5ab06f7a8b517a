"""Plugins found, loaded and checked, each in its own try: one at fault is set aside with its reason, the rest go on.

pluggy's own loader stops at the first import error and skips a second plugin of one name in silence.
"""

from __future__ import annotations

import importlib.metadata
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import llms_core
from llms_core.config.locate import nearest
from llms_core.config.model import Plugins
from llms_core.errors import ConfigError, PluginError
from llms_core.plugins import sources
from llms_core.plugins.host import LoadedPlugin, PluginHost
from llms_core.plugins.report import PluginReport, State, summary
from llms_core.plugins.settings import PluginSettings
from llms_core.plugins.sources import EntryPoints, Source
from llms_core.plugins.specs import add, collect, unwanted
from llms_core.plugins.verify import hooks_of
from llms_core.plugins.versions import unsatisfied
from llms_core.provider import ProviderSpec

log = logging.getLogger("llms_core.plugins")


def discover(
    plugins: Plugins,
    settings: Mapping[str, Mapping[str, Any]] = {},
    *,
    path: str = "",
    entry_points: EntryPoints = importlib.metadata.entry_points,
) -> PluginHost:
    """Load every plugin that `[plugins]` lets in. `settings` are the tables `[plugin.NAME]`, `path` is plugins.toml's.

    Raises ConfigError where a pin is not an exact version, or a plugin's settings make no sense to it; a plugin's own
    faults are in the host's reports.
    """
    folder = Path(path).parent
    pins = {_canonical(name): _pin(name, pin) for name, pin in plugins.pins.items()}
    found = [*sources.installed(entry_points), *sources.named(plugins.load, folder)]
    claimed: dict[str, Source] = {}
    specs: dict[str, ProviderSpec] = {}
    origins: dict[str, str] = {}
    loaded, reports = [], []
    for source in found:
        state, reason = _admission(source, plugins, pins, claimed)
        if state != "ok":
            reports.append(PluginReport(source.name, source.distribution, source.version, state, reason))
            continue
        claimed[source.name] = source
        plugin, report = _load(source, PluginSettings(source.name, settings.get(source.name, {}), path), specs, origins)
        if plugin is not None and source.name in settings and "llms_configure" not in plugin.hooks:
            raise ConfigError(f"{source.origin} takes no settings", path=path, field=f"plugin.{source.name}")
        reports.append(report)
        if plugin is not None:
            loaded.append(plugin)
    return PluginHost(loaded, reports, specs, origins, _unknown_names(plugins, settings, found))


def _admission(
    source: Source, plugins: Plugins, pins: Mapping[str, _Pin], claimed: Mapping[str, Source]
) -> tuple[State, str]:
    """Whether a plugin may be imported at all, and why not."""
    names = {_canonical(source.name), _canonical(source.distribution)}
    if names.intersection(map(_canonical, plugins.disabled)):
        return "disabled", "by [plugins] disabled"
    allowed = source.named or plugins.allow is None or _canonical(source.distribution) in map(_canonical, plugins.allow)
    if not allowed:
        return "not allowed", f"{source.distribution} is not in [plugins] allow"
    for pin in (pins[name] for name in names & pins.keys()):
        if pin.version != source.version:
            return "quarantined", f"pinned to {pin.version}, and {source.version or 'no version'} is installed"
        if pin.digest and (found := source.digest()) != pin.digest:
            return "quarantined", f"pinned to {pin.digest}, and what is installed has {found}"
    if wanted := unsatisfied(source.requires, llms_core.__version__):
        return "quarantined", f"{source.distribution} asks for llms-core {wanted}, and this is {llms_core.__version__}"
    if other := claimed.get(source.name):
        return "quarantined", f"two plugins have this name, and {other.origin} comes before {source.origin}"
    return "ok", ""


def _load(
    source: Source, settings: PluginSettings, specs: dict[str, ProviderSpec], origins: dict[str, str]
) -> tuple[LoadedPlugin | None, PluginReport]:
    """Import one plugin, check its hooks, give it its settings and collect its specs."""
    start, seconds = perf_counter(), 0.0
    try:
        module = source.load()
        seconds = perf_counter() - start
        hooks = hooks_of(module, source.name)
        if "llms_configure" in hooks:
            unwanted(hooks["llms_configure"].call(settings))
        offered = collect(hooks["llms_providers"]) if "llms_providers" in hooks else ()
    except (KeyboardInterrupt, ConfigError):
        raise
    except BaseException as error:  # SystemExit, and the panics of extension modules, are no Exceptions
        reason = str(error) if isinstance(error, PluginError) else summary(error)
        seconds = seconds or perf_counter() - start
        log.debug("%s is quarantined", source.origin, exc_info=error)
        return None, _report(source, "quarantined", f"{source.origin}: {reason}", seconds)
    taken, refusals = add(specs, origins, offered, source.origin)
    provides = [spec.name for spec in taken] + sorted(hooks.keys() - {"llms_providers", "llms_configure"})
    reason = "; ".join(refusals) if hooks else "it implements no hook"
    return LoadedPlugin(source.name, source.origin, hooks), _report(source, "ok", reason, seconds, tuple(provides))


def _report(source: Source, state: State, reason: str, seconds: float, provides: tuple[str, ...] = ()) -> PluginReport:
    return PluginReport(source.name, source.distribution, source.version, state, reason, seconds, provides)


class _Pin(NamedTuple):
    version: str
    digest: str


def _pin(name: str, text: str) -> _Pin:
    """`==1.2.3`, or `==1.2.3 sha256:…`."""
    found = re.fullmatch(r"\s*(?:==)?\s*([\w.!+-]+)(?:\s+(sha256:[0-9a-f]{64}))?\s*", text)
    if found is None:
        hint = 'write "==1.2.3", or "==1.2.3 sha256:…" with the hash that `llms plugins doctor` prints'
        raise ConfigError(f"'{text}' is not an exact version", field=f"plugins.pins.{name}", hint=hint)
    return _Pin(found[1], found[2] or "")


def _unknown_names(plugins: Plugins, settings: Mapping[str, Any], found: list[Source]) -> list[str]:
    """A name that nothing installed has is a slip more often than not."""
    known = {_canonical(name) for source in found for name in (source.name, source.distribution)}
    warnings = []
    for table, names in (("disabled", plugins.disabled), ("allow", plugins.allow or ()), ("pins", plugins.pins)):
        for name in names:
            if _canonical(name) not in known:
                near = nearest(_canonical(name), known)
                meant = f"; did you mean '{near}'?" if near else ""
                warnings.append(f"[plugins] {table}: no plugin or distribution '{name}' is installed{meant}")
    names_of_plugins = {source.name for source in found}
    for name in settings.keys() - names_of_plugins:
        near = nearest(name, names_of_plugins)
        warnings.append(f"[plugin.{name}]: there is no such plugin" + (f"; did you mean '{near}'?" if near else ""))
    return warnings


def _canonical(name: str) -> str:
    """A distribution's name as PEP 503 compares it; plugins' names are compared alike."""
    return re.sub(r"[-_.]+", "-", name).lower()
