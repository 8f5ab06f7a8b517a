"""Loads plugins.toml and the plugins that it enables, without llms.json: `llms --help` needs only these."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from llms_core.config import places, plugins_toml
from llms_core.config.model import PluginsToml
from llms_core.plugins.declarative import declared
from llms_core.plugins.discovery import load_enabled_plugins
from llms_core.plugins.host import PluginHost

log = logging.getLogger("llms_core.plugins")


def load_plugins(plugins: Path | None, *, env: Mapping[str, str] = os.environ) -> tuple[PluginsToml, PluginHost]:
    """Find and read plugins.toml, and load the plugins that it enables.

    Raises ConfigError if the file is invalid. A plugin that fails is quarantined instead: see the host's reports.
    """
    path = places.plugins_toml(plugins, env)
    toml = plugins_toml.load(path) if path is not None else PluginsToml()
    # To start a command in a folder must not run that folder's code.
    trusted = not isinstance(path, places.UntrustedPath)
    if not trusted and toml.plugins.load:
        _warn_of_ignored_code(toml)
    # Declared types come last, because they may extend the types of plugins.
    host = load_enabled_plugins(toml.plugins, toml.plugin, path=toml.path, trusted=trusted)
    host.declare(declared(toml.types, host.specs, path=toml.path), f"[types] of {toml.path}")
    return toml, host


def _warn_of_ignored_code(toml: PluginsToml) -> None:
    log.warning(
        "[plugins] load is ignored, because %s was only found in the current folder; to load %s, name the file: "
        "--plugins ./%s",
        toml.path,
        ", ".join(toml.plugins.load),
        places.PLUGINS_TOML,
    )
