"""From the two files to adapters: the first step of the server and of most commands."""

from __future__ import annotations

import ipaddress
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from llms_core.candidate import Configured
from llms_core.config import llms_json, places
from llms_core.config.model import LlmsJson, PluginsToml
from llms_core.config.references import Resolve
from llms_core.errors import ConfigError
from llms_core.plugins import registry
from llms_core.plugins.contributed import with_contributed
from llms_core.plugins.host import PluginHost
from llms_core.plugins.loading import load_plugins
from llms_core.provider import Closes, ProviderSpec
from llms_core.routing import strategies
from llms_core.secret import redact
from llms_core.upstream import engine

log = logging.getLogger(__name__)

#: Tables of plugins.toml that are only read at the start.
_FIXED_TABLES = ("plugins", "server", "upstream", "responses", "plugin", "types")

PACKAGED = "the packaged llms.json"
"""How messages name the llms.json that a plugin ships."""


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
        return self.host.warnings + self.llms_json.warnings


def load(
    config: Path | None, plugins: Path | None, *, env: Mapping[str, str] = os.environ, strict: bool = False
) -> Startup:
    """Find and read both files, load the plugins and build the adapters.

    Raises ConfigError if a file is invalid. Plugins and adapters that fail are in the reports and reasons.
    """
    toml, host = load_plugins(plugins, env=env)
    return with_providers(toml, host, config, env=env, strict=strict)


def with_providers(
    toml: PluginsToml, host: PluginHost, config: Path | None, *, env: Mapping[str, str], strict: bool = False
) -> Startup:
    """Read llms.json and build the adapters, once the plugins are loaded. Raises ConfigError if the file is invalid."""
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
        document = _default_config(host, env, resolve)
    else:
        document = llms_json.load(
            path, host.specs, env=env, resolve=resolve, strict=strict, absent=_unused_plugins(host)
        )
    document = with_contributed(document, host, env, resolve)
    redact.add(document.secrets)
    return document


def _unused_plugins(host: PluginHost) -> str:
    """The plugins that are not in use, with their states, in words; empty if all are."""
    return ", ".join(f"{report.origin} is {report.state}" for report in host.reports if report.state != "ok")


def _default_config(host: PluginHost, env: Mapping[str, str], resolve: Resolve) -> LlmsJson:
    """The packaged llms.json, followed by every other provider whose key is in `env`."""
    text = host.default_config() or b'{"providers": {}}'
    packaged = llms_json.read(text, PACKAGED, host.specs, env=env, resolve=resolve, absent=_unused_plugins(host))
    blocks = {}
    for name, key in _providers_with_keys(host, packaged, env):
        blocks[name] = {"type": name, "api_key": f"${key}", "all_models": True}
    others = llms_json.read(msgspec.json.encode({"providers": blocks}), PACKAGED, host.specs, env=env, strict=False)
    # The user has not named any of these providers, so a missing key is not worth a warning.
    return msgspec.structs.replace(
        packaged,
        providers=packaged.providers + others.providers,
        secrets=packaged.secrets + others.secrets,
        warnings=(),
    )


def _providers_with_keys(host: PluginHost, packaged: LlmsJson, env: Mapping[str, str]) -> list[tuple[str, str]]:
    """The name and the key's variable of every other provider whose key is in `env`, in the order of plugins.

    A key that a provider already uses is not used for another: several specs are ways to the same account.
    """
    used = {provider.settings.api_key.reveal() for provider in packaged.providers if provider.settings.api_key}
    taken_names = {provider.id.lower() for provider in packaged.providers}
    found = []
    for spec in dict.fromkeys(host.specs.values()):
        key = next((key for key in spec.key_env if env.get(key)), None)
        if key is None or env[key] in used:
            continue
        if taken_names.isdisjoint(_names(spec)):
            used.add(env[key])
            found.append((spec.name, key))
    return found


def _names(spec: ProviderSpec) -> set[str]:
    return {spec.name.lower(), *(alias.lower() for alias in spec.aliases)}


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


def _require_authenticating_plugins(startup: Startup) -> None:
    """Raise ConfigError if a plugin that may authenticate callers could not be loaded: it would refuse nobody."""
    for report in startup.host.reports:
        if report.may_authenticate:
            raise ConfigError(
                f"{report.origin} is quarantined, and the gateway does not run without a plugin that may authenticate "
                f"its clients: {report.reason}",
                path=startup.plugins_toml.path,
                field="plugins",
                hint=f'repair the plugin, or run without it: disabled = ["{report.name}"] in [plugins]',
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
