"""From the two files to adapters: the first step of the server and of most commands."""

from __future__ import annotations

import ipaddress
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from llms_core import default_config, images
from llms_core.candidate import Configured
from llms_core.config import llms_json, places
from llms_core.config.locate import nearest
from llms_core.config.model import LlmsJson, PluginsToml
from llms_core.errors import ConfigError
from llms_core.plugins import registry
from llms_core.plugins.contributed import with_contributed
from llms_core.plugins.core_settings import fails_open
from llms_core.plugins.host import PluginHost
from llms_core.plugins.loading import load_plugins
from llms_core.provider import Closes
from llms_core.routing import strategies
from llms_core.secret import redact
from llms_core.upstream import engine

log = logging.getLogger(__name__)

#: Tables of plugins.toml that are only read at the start.
_FIXED_TABLES = ("plugins", "server", "upstream", "responses", "ledger", "plugin", "types")


class Startup(msgspec.Struct, frozen=True, eq=False):
    """What has been read and built."""

    plugins_toml: PluginsToml
    host: PluginHost
    llms_json: LlmsJson
    configured: tuple[Configured, ...]
    #: Adapters of the previous configuration, to be closed once they are idle.
    retired: tuple[Closes, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Everything in the files that is valid but looks like a mistake."""
        found = self.host.warnings + self.llms_json.warnings
        # The user has not written the packaged file.
        if self.llms_json.path != default_config.PACKAGED:
            found += images.warnings(self.llms_json)
        return found


def load(
    config: Path | None, plugins: Path | None, *, env: Mapping[str, str] = os.environ, strict: bool = False
) -> Startup:
    """Find and read both files, load the plugins and build the adapters.

    Raises ConfigError if a file is invalid. Plugins and adapters that fail are in the reports and reasons.
    """
    toml, host = load_plugins(plugins, env=env)
    return with_plugins(toml, host, config, env=env, strict=strict)


def with_plugins(
    toml: PluginsToml,
    host: PluginHost,
    config: Path | None,
    *,
    env: Mapping[str, str] = os.environ,
    strict: bool = False,
) -> Startup:
    """Find and read llms.json and build the adapters, with plugins that are loaded. Raises ConfigError."""
    document = read_config(config, host, env=env, strict=strict)
    return Startup(toml, host, document, registry.build(host, document).configured)


def rebuild(old: Startup, document: LlmsJson) -> Startup:
    """Use an llms.json that was read again. Plugins stay loaded, and so do adapters whose settings are unchanged."""
    built = registry.build(old.host, document, old.configured)
    return Startup(old.plugins_toml, old.host, document, built.configured, built.retired)


def read_config(
    config: Path | None,
    host: PluginHost,
    *,
    env: Mapping[str, str] = os.environ,
    strict: bool = False,
    asks_plugins: bool = True,
) -> LlmsJson:
    """Read llms.json, and add the providers that plugins contribute.

    Without such a file, use every installed provider whose key is in `env`. Plugins are asked for secrets and
    providers, which may take a while, unless `asks_plugins` is false: then what they have told before is used, where
    that is known. Raises ConfigError if the file is invalid.
    """
    path = places.llms_json(config, env)
    resolve = host.resolver.lookup(asks_again=asks_plugins)
    if asks_plugins:
        host.contributors.read()
    if path is None:
        document = default_config.read(host, env, resolve)
    else:
        document = llms_json.load(path, host.specs, env=env, resolve=resolve, strict=strict, absent=host.unused)
    document = with_contributed(document, host, env, resolve)
    redact.add(document.secrets)
    return document


def preview(
    toml: PluginsToml, host: PluginHost, path: Path, data: bytes, *, env: Mapping[str, str] = os.environ
) -> Startup:
    """Return what `load` would return if the content of llms.json at `path` were `data`. Raises ConfigError."""
    catalogue = (path.parent, places.home(env))
    resolve = host.resolver.lookup(asks_again=False)
    document = llms_json.read(
        data, str(path), host.specs, env=env, resolve=resolve, absent=host.unused, catalogue=catalogue
    )
    redact.add(document.secrets)
    return Startup(toml, host, document, registry.build(host, document).configured)


def with_plugins_toml(startup: Startup, toml: PluginsToml) -> Startup:
    """Return the startup with those parts of plugins.toml that can change while the server runs."""
    old = startup.plugins_toml
    # Keys apply at once (see `server.background`), the rest of [server] does not.
    server = msgspec.structs.replace(old.server, keys=toml.server.keys, keys_file=toml.server.keys_file)
    old = msgspec.structs.replace(old, server=server)
    changed = [name for name in _FIXED_TABLES if getattr(old, name) != getattr(toml, name)]
    if changed:
        log.warning("%s: a change of [%s] needs a restart", toml.path, "], [".join(changed))
    fixed: Mapping[str, Any] = {name: getattr(old, name) for name in _FIXED_TABLES}
    return msgspec.structs.replace(startup, plugins_toml=msgspec.structs.replace(toml, **fixed))


def check(startup: Startup) -> None:
    """Check what only shows when all parts are there. Raises ConfigError."""
    toml = startup.plugins_toml
    check_plugins(startup)
    try:
        strategies.create(toml.routing)
    except ConfigError as error:
        raise ConfigError(error.message, path=toml.path, field=error.field, hint=error.hint) from None
    for network in toml.upstream.fetch_from:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise ConfigError(str(error), path=toml.path, field="upstream.fetch_from") from None
    engine.check_settings(toml)
    known = {item.id for item in startup.configured}
    # One that a plugin contributes may come later, or may have gone.
    report = _warn if startup.host.contributors else _raise
    tables = {"routing.weights": toml.routing.weights, "timeouts.provider": toml.timeouts.provider}
    for table, names in tables.items():
        for name in names:
            if name not in known:
                report(ConfigError(f"unknown provider '{name}'", path=toml.path, field=f"{table}.{name}"))


def _warn(error: ConfigError) -> None:
    log.warning("%s", error)


def _raise(error: ConfigError) -> None:
    raise error


def check_plugins(startup: Startup) -> None:
    """Check that no plugin is missing without which the gateway is not safe. Raises ConfigError."""
    _require_authenticating_plugins(startup)
    _require_demanded_plugins(startup)
    _require_configured_plugins(startup)


def _require_authenticating_plugins(startup: Startup) -> None:
    """Raise ConfigError if a plugin that may authenticate callers could not be loaded: it would refuse nobody."""
    for report in startup.host.reports:
        if report.may_authenticate:
            raise ConfigError(
                f"{report.reason} (the gateway does not run without a plugin that may authenticate its clients)",
                path=startup.plugins_toml.path,
                field="plugins",
                hint=f'repair the plugin, or run without it: disabled = ["{report.name}"] in [plugins]',
            )


def _require_configured_plugins(startup: Startup) -> None:
    """Raise ConfigError for the settings of a plugin that is not installed: a misspelt guard would guard nothing."""
    toml = startup.plugins_toml
    installed = [report.name for report in startup.host.reports]
    for name, table in toml.plugin.items():
        if name in installed or fails_open(table):
            continue
        near = nearest(name, installed)
        raise ConfigError(
            f"no plugin '{name}' is installed" + (f"; did you mean '{near}'?" if near else ""),
            path=toml.path,
            field=f"plugin.{name}",
            hint='install it, remove the table, or let requests go on without it: fail = "open"',
        )


def _require_demanded_plugins(startup: Startup) -> None:
    """Raise ConfigError if a plugin that the user has configured cannot look at requests: it might be a guard."""
    for finding in startup.host.demanded():
        raise ConfigError(
            f"the gateway does not run without this plugin, because the file has a table for it: {finding.text}",
            path=startup.plugins_toml.path,
            field=f"plugin.{finding.plugin}",
            hint='repair it, remove the table, or let requests go on without it: fail = "open"',
        )
