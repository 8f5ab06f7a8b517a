"""From the two files to providers that run: what the command line and the server both begin with."""

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
from llms_core.errors import ConfigError
from llms_core.plugins import registry
from llms_core.plugins.host import PluginHost
from llms_core.plugins.loading import load_plugins
from llms_core.provider import Closes, ProviderSpec
from llms_core.routing import strategies
from llms_core.secret import redact

log = logging.getLogger(__name__)

#: Tables of plugins.toml that are only read at the start.
_FIXED_TABLES = ("plugins", "server", "upstream", "plugin", "types")

SHIPPED = "the llms.json that comes with the providers"


class Startup(msgspec.Struct, frozen=True, eq=False):
    """What has been read and built. `retired` are adapters of before a reload: to be closed when idle."""

    plugins_toml: PluginsToml
    host: PluginHost
    llms_json: LlmsJson
    configured: tuple[Configured, ...]
    retired: tuple[Closes, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd in the files, and not wrong."""
        return self.host.warnings + self.llms_json.warnings


def load(
    config: Path | None, plugins: Path | None, *, env: Mapping[str, str] = os.environ, strict: bool = False
) -> Startup:
    """Find and read both files, load the plugins and build the adapters.

    Raises ConfigError where a file is wrong; plugins and adapters at fault are in the reports and reasons.
    """
    toml, host = load_plugins(plugins, env=env)
    document = read_config(config, host, env=env, strict=strict)
    return Startup(toml, host, document, registry.build(host, document).configured)


def reload(old: Startup, config: Path | None, *, env: Mapping[str, str] = os.environ, strict: bool = False) -> Startup:
    """Read llms.json again; plugins stay loaded, and so does an adapter whose settings have not changed.

    Raises ConfigError where the file is wrong: keep `old` then.
    """
    document = read_config(config, old.host, env=env, strict=strict)
    built = registry.build(old.host, document, old.configured)
    return Startup(old.plugins_toml, old.host, document, built.configured, built.retired)


def read_config(config: Path | None, host: PluginHost, *, env: Mapping[str, str], strict: bool) -> LlmsJson:
    """llms.json, or what stands in for it where there is none: every installed provider whose key is in `env`."""
    path = places.llms_json(config, env)
    if path is None:
        document = _shipped(host, env)
    else:
        document = llms_json.load(path, host.specs, env=env, strict=strict, absent=_absent(host))
    redact.add(document.secrets)
    return document


def _absent(host: PluginHost) -> str:
    """Which plugins are not in use, in words; empty where all are."""
    return ", ".join(f"{report.origin} is {report.state}" for report in host.reports if report.state != "ok")


def _shipped(host: PluginHost, env: Mapping[str, str]) -> LlmsJson:
    """The llms.json that a plugin brings, and after it each further provider whose key is in `env`."""
    text = host.default_config() or b'{"providers": {}}'
    shipped = llms_json.read(text, SHIPPED, host.specs, env=env, absent=_absent(host))
    keyed = _keyed(host, shipped, env)
    blocks = {name: {"type": name, "api_key": f"${key}", "all_models": True} for name, key in keyed}
    others = llms_json.read(msgspec.json.encode({"providers": blocks}), SHIPPED, host.specs, env=env, strict=False)
    # Nobody asked for these providers by name, so a key that is missing is no news.
    return msgspec.structs.replace(
        shipped, providers=shipped.providers + others.providers, secrets=shipped.secrets + others.secrets, warnings=()
    )


def _keyed(host: PluginHost, shipped: LlmsJson, env: Mapping[str, str]) -> list[tuple[str, str]]:
    """(name, key variable) of each further provider whose key is there, in the order of plugins.

    A key that a provider has already is not used for another: several specs are ways to one account.
    """
    used = {provider.settings.api_key.reveal() for provider in shipped.providers if provider.settings.api_key}
    there = {provider.id.lower() for provider in shipped.providers}
    found = []
    for spec in dict.fromkeys(host.specs.values()):
        key = next((key for key in spec.key_env if env.get(key)), None)
        if key is not None and env[key] not in used and there.isdisjoint(_names(spec)):
            used.add(env[key])
            found.append((spec.name, key))
    return found


def _names(spec: ProviderSpec) -> set[str]:
    return {spec.name.lower(), *(alias.lower() for alias in spec.aliases)}


def with_plugins_toml(startup: Startup, toml: PluginsToml) -> Startup:
    """Return the startup with those parts of plugins.toml that can change while the server runs."""
    old = startup.plugins_toml
    changed = [name for name in _FIXED_TABLES if getattr(old, name) != getattr(toml, name)]
    if changed:
        log.warning("%s: a change of [%s] needs a restart", toml.path, "], [".join(changed))
    fixed: Mapping[str, Any] = {name: getattr(old, name) for name in _FIXED_TABLES}
    return msgspec.structs.replace(startup, plugins_toml=msgspec.structs.replace(toml, **fixed))


def check(startup: Startup) -> None:
    """Check what only shows when all parts are there. Raises ConfigError."""
    toml = startup.plugins_toml
    try:
        strategies.create(toml.routing)
    except ConfigError as error:
        raise ConfigError(error.message, path=toml.path, field=error.field, hint=error.hint) from None
    for network in toml.upstream.fetch_from:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise ConfigError(str(error), path=toml.path, field="upstream.fetch_from") from None
    known = {item.id for item in startup.configured}
    tables = {"routing.weights": toml.routing.weights, "timeouts.provider": toml.timeouts.provider}
    for table, names in tables.items():
        for name in names:
            if name not in known:
                raise ConfigError(f"there is no provider '{name}'", path=toml.path, field=f"{table}.{name}")
