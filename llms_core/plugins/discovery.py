"""Loads plugins one by one. A plugin that fails is quarantined with the reason, and the others are still loaded.

pluggy's own loader is not used, because it stops at the first import error and silently skips a second plugin of the
same name.
"""

from __future__ import annotations

import importlib.metadata
import logging
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from llms_core.config.model import Plugins
from llms_core.errors import ConfigError, PluginError
from llms_core.plugins import sources
from llms_core.plugins.admission import Admission, unknown_names
from llms_core.plugins.authenticating import may_authenticate
from llms_core.plugins.host import LoadedPlugin, PluginHost
from llms_core.plugins.report import PluginReport, PluginState, summary
from llms_core.plugins.settings import PluginSettings
from llms_core.plugins.sources import EntryPoints, Source
from llms_core.plugins.specs import collect, register, reject_awaitable
from llms_core.plugins.verify import hooks_of
from llms_core.provider import ProviderSpec

log = logging.getLogger("llms_core.plugins")

#: Hooks that are called while a plugin is loaded; a report lists what they provide, not the hooks themselves.
#: The member of `[plugin.NAME]` that is the core's: what happens if the plugin's middleware fails.
_FAIL = "fail"

#: The hooks that it is about.
_FALLIBLE = {"llms_middleware", "llms_candidates"}

_LOADING_HOOKS = {"llms_configure", "llms_providers"}


def load_enabled_plugins(
    plugins: Plugins,
    settings: Mapping[str, Mapping[str, Any]] = {},
    *,
    path: str = "",
    trusted: bool = True,
    entry_points: EntryPoints = importlib.metadata.entry_points,
) -> PluginHost:
    """Load every plugin that `[plugins]` enables.

    `settings` are the tables `[plugin.NAME]`, `path` is that of plugins.toml. Unless that file is `trusted`, what its
    `[plugins] load` names is quarantined. Raises ConfigError if a pin is not an
    exact version or if a plugin rejects its settings. Other failures of plugins are in the host's reports.
    """
    found = [*sources.installed(entry_points), *sources.named(plugins.load, Path(path).parent)]
    admission = Admission(plugins, trusted=trusted)
    loader = _Loader(settings, path)
    for source in found:
        rejection = admission.check(source)
        if rejection is None:
            loader.load(source)
        else:
            loader.report(source, rejection.state, rejection.reason)
    warnings = tuple(unknown_names(plugins, settings, found))
    return PluginHost(loader.loaded, loader.reports, loader.specs, loader.origins, warnings)


class _Loader:
    """Imports admitted plugins, and collects their hooks, specs and reports."""

    def __init__(self, settings: Mapping[str, Mapping[str, Any]], path: str):
        self._settings = settings
        self._path = path
        self.loaded: list[LoadedPlugin] = []
        self.reports: list[PluginReport] = []
        self.specs: dict[str, ProviderSpec] = {}
        self.origins: dict[str, str] = {}

    def load(self, source: Source) -> None:
        """Import a plugin, validate its hooks, pass it its settings and register its specs."""
        import_seconds = 0.0
        start = perf_counter()
        try:
            module = source.load()
            import_seconds = perf_counter() - start
            hooks = hooks_of(module, source.name)
            plugin = LoadedPlugin(source.name, source.origin, hooks, self._fails_open(source.name))
            offered = self._set_up(plugin)
        except (KeyboardInterrupt, ConfigError):
            raise
        except BaseException as error:  # SystemExit, and the panics of extension modules, are not Exceptions
            reason = str(error) if isinstance(error, PluginError) else summary(error)
            log.debug("%s is quarantined", source.origin, exc_info=error)
            # The import itself failed if it has not been timed yet.
            seconds = import_seconds or perf_counter() - start
            self.report(source, "quarantined", f"{source.origin}: {reason}", seconds)
            return
        self._reject_unused_settings(plugin)
        registered = register(self.specs, self.origins, offered, source.origin)
        self.loaded.append(plugin)
        reason = "; ".join(registered.conflicts) if plugin.hooks else "implements no hook"
        provides = [spec.name for spec in registered.specs] + sorted(plugin.hooks.keys() - _LOADING_HOOKS)
        self.report(source, "ok", reason, import_seconds, tuple(provides))

    def report(
        self, source: Source, state: PluginState, reason: str, seconds: float = 0.0, provides: tuple[str, ...] = ()
    ) -> None:
        """Record the outcome for one plugin."""
        guards = state == "quarantined" and may_authenticate(source)
        self.reports.append(
            PluginReport(source.name, source.distribution, source.version, state, reason, seconds, provides, guards)
        )

    def _set_up(self, plugin: LoadedPlugin) -> tuple[ProviderSpec, ...]:
        """Call the hooks that run once, in their documented order: settings first."""
        if configure := plugin.hooks.get("llms_configure"):
            values = self._settings.get(plugin.name)
            if values is not None:
                values = {name: value for name, value in values.items() if name != _FAIL}
            reject_awaitable(configure.call(PluginSettings(plugin.name, values, self._path)))
        if providers := plugin.hooks.get("llms_providers"):
            return collect(providers)
        return ()

    def _fails_open(self, name: str) -> bool:
        """Whether requests continue if the plugin's middleware fails. Raises ConfigError for an unknown value."""
        value = self._settings.get(name, {}).get(_FAIL, "closed")
        if value not in ("open", "closed"):
            raise ConfigError(
                f"{value!r} is neither 'open' nor 'closed'", path=self._path, field=f"plugin.{name}.{_FAIL}"
            )
        return bool(value == "open")

    def _reject_unused_settings(self, plugin: LoadedPlugin) -> None:
        own = self._settings.get(plugin.name)
        # `fail` is the core's.
        is_used = own is not None and set(own) == {_FAIL} and not plugin.hooks.keys().isdisjoint(_FALLIBLE)
        if own is not None and not is_used and "llms_configure" not in plugin.hooks:
            raise ConfigError(
                f"{plugin.origin} does not accept settings",
                path=self._path,
                field=f"plugin.{plugin.name}",
                hint="remove the table",
            )
