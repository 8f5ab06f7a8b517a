"""Loads plugins.toml and the plugins that it enables, without llms.json: `llms --help` needs only these."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import msgspec

from llms_core.config import env_file, places, plugins_toml
from llms_core.config.model import PluginsToml
from llms_core.config.references import References
from llms_core.errors import ConfigError
from llms_core.plugins.declarative import Expand, declared
from llms_core.plugins.discovery import load_enabled_plugins
from llms_core.plugins.host import PluginHost
from llms_core.secret import Secret, redact

log = logging.getLogger("llms_core.plugins")


def load_plugins(
    plugins: Path | None, *, env: Mapping[str, str] = os.environ
) -> tuple[PluginsToml, PluginHost]:
    """Find and read plugins.toml, and load the plugins that it enables.

    Raises ConfigError if the file is invalid. A plugin that fails is quarantined instead: see the host's reports.
    """
    path = places.plugins_toml(plugins, env)
    toml = plugins_toml.load(path) if path is not None else PluginsToml()
    # To start a command in a folder must not run that folder's code.
    trusted = not isinstance(path, places.UntrustedPath)
    if not trusted and toml.plugins.load:
        _warn_of_ignored_code(toml)
    known = env_file.with_files(env, path)
    try:
        host = load_enabled_plugins(
            toml.plugins, toml.plugin, path=toml.path, trusted=trusted, env=known
        )
        expand = partial(_expanded, References(known, host.resolver.lookup()), toml.path)
        # Declared types come last, because they may extend the types of plugins.
        host.declare(
            declared(toml.types, host.specs, path=toml.path, expand=expand),
            f"[types] of {toml.path}",
        )
        return _with_proxy(toml, expand), host
    except ConfigError as error:
        raise plugins_toml.located(error, toml.path) from None


def read_again(path: Path, host: PluginHost, *, env: Mapping[str, str] = os.environ) -> PluginsToml:
    """Read plugins.toml again, for what can change while the server runs. Raises ConfigError if it is invalid."""
    toml = plugins_toml.load(path)
    known = env_file.with_files(env, path)
    return _with_proxy(
        toml, partial(_expanded, References(known, host.resolver.lookup()), toml.path)
    )


def _with_proxy(toml: PluginsToml, expand: Expand) -> PluginsToml:
    """Replace references in the URL of the proxy, which may need a password."""
    written = toml.upstream.proxy
    if written is None:
        return toml
    proxy = plugins_toml.proxy(expand(written.reveal(), "upstream.proxy"))
    return msgspec.structs.replace(
        toml, upstream=msgspec.structs.replace(toml.upstream, proxy=proxy)
    )


def _expanded(references: References, path: str, text: str, field: str) -> str:
    """Replace the references in a text of plugins.toml, and redact what they stand for.

    Raises ConfigError for one that stands for nothing.
    """
    before = references.mark
    expanded = references.expand_embedded(text)
    if expanded is None:
        missing = references.missing(before)
        names = " and ".join(missing.variables)
        message = "; ".join([*missing.unresolved, *([f"{names} is not set"] if names else [])])
        raise ConfigError(message, path=path, field=field, hint="set it, or write another value")
    if expanded != text:
        # `Bearer KEY` has the key as its last word.
        redact.add({*references.secrets, Secret(expanded), Secret(expanded.rpartition(" ")[2])})
    return expanded


def _warn_of_ignored_code(toml: PluginsToml) -> None:
    # An error, so that a command that logs nothing else says it, too: one of them may be meant to guard.
    log.error(
        "[plugins] load is ignored, because %s was only found in the current folder; to load %s, name the file: "
        "--plugins ./%s",
        toml.path,
        ", ".join(toml.plugins.load),
        places.PLUGINS_TOML,
    )
