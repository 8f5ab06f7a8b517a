"""Loads plugins one by one. A plugin that fails is quarantined with the reason, and the others are still loaded.

pluggy's own loader is not used, because it stops at the first import error and silently skips a second plugin of the
same name.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec

from llms_core.config.model import Plugins
from llms_core.errors import ConfigError, LlmsError
from llms_core.plugins import sources
from llms_core.plugins.admission import Admission, Rejection, unknown_names
from llms_core.plugins.core_settings import FALLIBLE_HOOKS, CoreSettings, fails_open, split
from llms_core.plugins.host import LoadedPlugin, PluginHost
from llms_core.plugins.printed import Printed
from llms_core.plugins.report import Finding, PluginReport, PluginState, summary
from llms_core.plugins.resolving import Resolver
from llms_core.plugins.settings import PluginSettings
from llms_core.plugins.sources import EntryPoints, Source
from llms_core.plugins.specs import collect, register, reject_awaitable
from llms_core.plugins.unloaded import is_missing, may_implement
from llms_core.plugins.verify import Hook, hooks_of
from llms_core.provider import ProviderSpec

log = logging.getLogger("llms_core.plugins")

#: Hooks that are called while a plugin is loaded; a report lists what they provide, not the hooks themselves.
_LOADING_HOOKS = {"llms_configure", "llms_providers"}

_NO_HOOK = "implements no hook: mark functions with @hookimpl (docs/hooks.md lists the hooks)"


def load_enabled_plugins(
    plugins: Plugins,
    settings: Mapping[str, Mapping[str, Any]] = {},
    *,
    path: str = "",
    trusted: bool = True,
    env: Mapping[str, str] = os.environ,
    entry_points: EntryPoints = importlib.metadata.entry_points,
) -> PluginHost:
    """Load every plugin that `[plugins]` enables.

    `settings` are the tables `[plugin.NAME]`, `path` is that of plugins.toml. Unless that file is `trusted`, what its
    `[plugins] load` names is quarantined. `env` contains the secrets that settings refer to.

    Raises ConfigError if a pin is not an exact version. Failures of plugins, and settings that they reject, are in the
    host's reports.
    """
    found = [*sources.installed(entry_points), *sources.named(plugins.load, Path(path).parent)]
    admission = Admission(plugins, trusted=trusted)
    loader = _Loader(settings, path, plugins.timeout, env)
    for source in found:
        loader.load(source, admission.check(source))
    loader.set_up()
    return loader.host(tuple(unknown_names(plugins, settings, found, path)))


class _Plugin(msgspec.Struct):
    """A plugin while it is loaded."""

    source: Source
    hooks: Mapping[str, Hook] = {}
    import_seconds: float = 0.0
    settings: CoreSettings = CoreSettings()
    specs: tuple[ProviderSpec, ...] = ()
    #: Set as soon as it is known that the plugin is not used.
    report: PluginReport | None = None


class _Loader:
    """Imports all plugins, then sets them up: one may be needed to read the settings of another."""

    def __init__(
        self,
        settings: Mapping[str, Mapping[str, Any]],
        path: str,
        timeout: float,
        env: Mapping[str, str],
    ):
        self._settings = settings
        self._path = path
        self._env = env
        self._resolver = Resolver(timeout)
        self._resolve = self._resolver.lookup()
        #: In the order in which they were found, which decides who keeps a name that two of them use.
        self._plugins: list[_Plugin] = []
        self._findings: list[Finding] = []
        #: The names of plugins that print.
        self._printing: set[str] = set()

    def load(self, source: Source, rejection: Rejection | None) -> None:
        """Import a plugin, unless it was rejected, and validate its hooks."""
        plugin = _Plugin(source)
        self._plugins.append(plugin)
        if rejection is not None:
            self._reject(plugin, rejection.state, rejection.reason)
            return
        start = perf_counter()
        try:
            with self._attentive(plugin):
                module = source.load()
                plugin.import_seconds = perf_counter() - start
                plugin.hooks = hooks_of(module, source.name)
        except KeyboardInterrupt:
            raise
        # SystemExit, and the panics of extension modules, are not Exceptions.
        except BaseException as error:
            # The import itself failed if it has not been timed yet.
            plugin.import_seconds = plugin.import_seconds or perf_counter() - start
            self._quarantine(plugin, error)

    def set_up(self) -> None:
        """Give every plugin its settings, and collect its specs; those first that keep the secrets of others."""
        for plugin in sorted(self._plugins, key=_set_up_order):
            if plugin.report is not None:
                continue
            try:
                with self._attentive(plugin):
                    plugin.specs = self._set_up(plugin)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                self._quarantine(plugin, error)
                continue
            if plugin.report is not None:  # it has switched itself off
                continue
            if keeps := plugin.hooks.get("llms_secrets"):
                self._resolver.add(plugin.source.origin, keeps.call)

    def host(self, warnings: tuple[str, ...]) -> PluginHost:
        """Return the host of the plugins that can be used, with a report for each of all plugins."""
        specs: dict[str, ProviderSpec] = {}
        origins: dict[str, str] = {}
        loaded: list[LoadedPlugin] = []
        reports: list[PluginReport] = []
        for plugin in self._plugins:
            source = plugin.source
            if plugin.report is not None:
                reports.append(plugin.report)
                continue
            registered = register(specs, origins, plugin.specs, source.origin)
            loaded.append(LoadedPlugin(source.name, source.origin, plugin.hooks, plugin.settings))
            reason = "; ".join(registered.conflicts) if plugin.hooks else _NO_HOOK
            provides = [spec.name for spec in registered.specs] + sorted(
                plugin.hooks.keys() - _LOADING_HOOKS
            )
            reports.append(_report(plugin, "ok", reason, tuple(provides)))
        return PluginHost(loaded, reports, specs, origins, warnings, self._findings, self._resolver)

    def _set_up(self, plugin: _Plugin) -> tuple[ProviderSpec, ...]:
        """Call the hooks that run once, in their documented order: settings first."""
        source = plugin.source
        table = self._settings.get(source.name)
        plugin.settings, values = split(source.name, table, plugin.hooks, self._path)
        if configure := plugin.hooks.get("llms_configure"):
            settings = self._settings_of(source.name, values)
            reject_awaitable(configure.call(settings))
            if settings.switched_off:
                report = _report(plugin, "disabled", settings.switched_off)
                plugin.report = msgspec.structs.replace(report, is_switched_off=True)
                return ()
        elif values:
            raise ConfigError(
                f"{source.origin} does not accept settings",
                path=self._path,
                field=f"plugin.{source.name}",
                hint=f"remove {', '.join(values)}",
            )
        if providers := plugin.hooks.get("llms_providers"):
            return collect(providers)
        return ()

    def _settings_of(self, name: str, values: Mapping[str, Any] | None) -> PluginSettings:
        return PluginSettings(name, values, self._path, self._env, self._resolve)

    def _quarantine(self, plugin: _Plugin, error: BaseException) -> None:
        origin = plugin.source.origin
        reason = str(error) if isinstance(error, LlmsError) else summary(error)
        log.debug("%s is quarantined", origin, exc_info=error)
        if is_missing(plugin.source):
            # The import that failed may be another one: a file may import what is not installed.
            plugin.report = _report(plugin, "quarantined", f"{origin}: {reason}")
            plugin.report = msgspec.structs.replace(plugin.report, is_missing=True)
            return
        self._reject(plugin, "quarantined", f"{origin}: {reason}")

    def _reject(self, plugin: _Plugin, state: PluginState, reason: str) -> None:
        plugin.report = _report(plugin, state, reason)
        if state != "quarantined":
            return
        source = plugin.source
        table = self._settings.get(source.name)
        is_wanted = table is not None and not fails_open(table)
        plugin.report = msgspec.structs.replace(
            plugin.report,
            may_authenticate=may_implement(source, ("llms_authenticate",)),
            is_demanded=is_wanted and may_implement(source, FALLIBLE_HOOKS),
        )

    @contextmanager
    def _attentive(self, plugin: _Plugin) -> Iterator[None]:
        """Keep what a plugin prints out of standard output, which belongs to the command: it may write JSON."""
        printed = Printed()
        with redirect_stdout(printed):
            yield
        if printed.any and plugin.source.name not in self._printing:
            self._printing.add(plugin.source.name)
            text = "it prints while it is loaded; use logging, or remove the `print`"
            self._findings.append(
                Finding(plugin.source.name, False, f"{plugin.source.origin}: {text}")
            )


def _set_up_order(plugin: _Plugin) -> tuple[bool, int]:
    keeps = plugin.hooks.get("llms_secrets")
    return keeps is None, 0 if keeps is None else keeps.rank


def _report(
    plugin: _Plugin, state: PluginState, reason: str, provides: tuple[str, ...] = ()
) -> PluginReport:
    source = plugin.source
    return PluginReport(
        source.name,
        source.distribution,
        source.version,
        state,
        reason,
        plugin.import_seconds,
        provides,
    )
