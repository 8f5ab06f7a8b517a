"""The plugins of one run of the command line, which are loaded once, and their commands."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from llms_core.config.model import PluginsToml
    from llms_core.plugins.host import PluginHost


def load(ctx: click.Context, reserved: Collection[str]) -> Mapping[str, click.Command]:
    """Return the commands of plugins, none of which has a `reserved` name. Raises ConfigError for an invalid file."""
    commands: Mapping[str, click.Command] | None = ctx.meta.get(__name__)
    if commands is None:
        _, host = load_plugins(ctx, ctx.find_root().params.get("plugins"))
        group = click.Group("llms")
        host.commands(group, reserved)
        for finding in host.findings:
            if finding.hook == "llms_commands":
                click.echo(f"llms: {finding.text}", err=True)
        commands = ctx.meta[__name__] = group.commands
    return commands


def load_plugins(ctx: click.Context, path: Path | None) -> tuple[PluginsToml, PluginHost]:
    """Return plugins.toml and its plugins; those of the same file are loaded once. Raises ConfigError."""
    key = f"{__name__}:{path}"
    loaded: tuple[PluginsToml, PluginHost] | None = ctx.meta.get(key)
    if loaded is None:
        # Slow to import, and not needed for built-in commands.
        from llms_core.plugins import loading

        loaded = ctx.meta[key] = loading.load_plugins(path)
    return loaded
