"""From the two files to adapters: the first step of the server and of most commands."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from llms_core import default_config
from llms_core.candidate import Configured
from llms_core.config import env_file, llms_json, places
from llms_core.config.model import LlmsJson, PluginsToml
from llms_core.plugins import registry
from llms_core.plugins.contributed import with_contributed
from llms_core.plugins.host import PluginHost
from llms_core.plugins.loading import load_plugins
from llms_core.provider import Closes
from llms_core.secret import redact

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


def load(
    config: Path | None,
    plugins: Path | None,
    *,
    env: Mapping[str, str] = os.environ,
    strict: bool = False,
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
    """Read llms.json, and add the providers that plugins contribute, and the embedded models.

    Without such a file, use every installed provider whose key is in `env`. Plugins are asked for secrets and
    providers, which may take a while, unless `asks_plugins` is false: then what they have told before is used, where
    that is known. Raises ConfigError if the file is invalid.
    """
    path = places.llms_json(config, env)
    env = _environment(env, host, path)
    resolve = host.resolver.lookup(asks_again=asks_plugins)
    if asks_plugins:
        host.contributors.read()
    if path is None:
        document = default_config.read(host, env, resolve)
    else:
        document = llms_json.load(
            path, host.specs, env=env, resolve=resolve, strict=strict, absent=host.unused
        )
    document = with_contributed(document, host, env, resolve)
    document = default_config.with_embedded(document, host, env)
    redact.add(document.secrets)
    return document


def preview(
    toml: PluginsToml,
    host: PluginHost,
    path: Path,
    data: bytes,
    *,
    env: Mapping[str, str] = os.environ,
) -> Startup:
    """Return what `load` would return if the content of llms.json at `path` were `data`. Raises ConfigError."""
    document = default_config.with_embedded(read_content(host, path, data, env=env), host, env)
    return Startup(toml, host, document, registry.build(host, document).configured)


def read_content(
    host: PluginHost, path: Path, data: bytes, *, env: Mapping[str, str] = os.environ
) -> LlmsJson:
    """Return an llms.json at `path` whose content is `data`, without asking plugins. Raises ConfigError."""
    document = llms_json.read(
        data,
        str(path),
        host.specs,
        env=_environment(env, host, path),
        resolve=host.resolver.lookup(asks_again=False),
        absent=host.unused,
        catalogue=(path.parent, places.home(env)),
    )
    redact.add(document.secrets)
    return document


def _environment(
    env: Mapping[str, str], host: PluginHost, config: Path | None
) -> Mapping[str, str]:
    """`env` with the variables of files named `.env`; adapters find theirs in this process's environment, too."""
    known = env_file.with_files(env, config)
    for spec in host.specs.values():
        env_file.export(known, (*spec.key_env, *spec.variables))
    return known


def with_plugins_toml(startup: Startup, toml: PluginsToml) -> Startup:
    """Return the startup with those parts of plugins.toml that can change while the server runs."""
    old = startup.plugins_toml
    # Keys apply at once (see `server.background`), the rest of [server] does not.
    server = msgspec.structs.replace(
        old.server, keys=toml.server.keys, keys_file=toml.server.keys_file
    )
    old = msgspec.structs.replace(old, server=server)
    changed = [name for name in _FIXED_TABLES if getattr(old, name) != getattr(toml, name)]
    if changed:
        log.warning("%s: a change of [%s] needs a restart", toml.path, "], [".join(changed))
    fixed: Mapping[str, Any] = {name: getattr(old, name) for name in _FIXED_TABLES}
    return msgspec.structs.replace(startup, plugins_toml=msgspec.structs.replace(toml, **fixed))
