"""`llms enable` and `llms disable`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from llms_core.cli import config_file
from llms_core.cli.completion import parameters as completing
from llms_core.cli.config_file import ConfigFile
from llms_core.cli.files import files
from llms_core.cli.similar import no_such
from llms_core.config.model import DISABLED_BY_USER

#: Returns what may be typed for an argument.
Complete = Callable[[click.Context, click.Parameter, str], Any]

_ABOUT = """{what}

Everything else in the file stays as it is, comments included. A running server uses the change within a second.

\b
  llms {name} {example}
  llms {name} openai anthropic
"""


def _command(
    name: str, what: str, example: str, complete: Complete, *, enabled: bool
) -> click.Command:
    """Make one of the two commands."""

    @click.command(
        name,
        help=_ABOUT.format(name=name, what=what, example=example),
        short_help=f"{name.capitalize()} providers in llms.json.",
    )
    @click.argument(
        "providers", nargs=-1, required=True, metavar="PROVIDER...", shell_complete=complete
    )
    @files
    def command(providers: tuple[str, ...], config: Path | None, plugins: Path | None) -> None:
        switch(providers, enabled=enabled, config=config, plugins=plugins)

    return command


enable = _command(
    "enable",
    "Enable providers in llms.json. One that is installed but not in the file is added to its end.",
    "groq",
    completing.further_providers,
    enabled=True,
)
disable = _command(
    "disable",
    "Disable providers in llms.json. They stay in the file.",
    "openrouter",
    completing.enabled_providers,
    enabled=False,
)


def switch(
    names: Sequence[str], *, enabled: bool, config: Path | None, plugins: Path | None
) -> None:
    """Write `enabled` to the blocks of providers, and add those that are missing if they are to be enabled."""
    file = config_file.read(config, plugins)
    text = file.text
    # llms.py's users separate the names with commas, too.
    wanted = list(dict.fromkeys(name.rstrip(",") for name in names))
    for name in wanted:
        text = _switched(file, text, name, enabled=enabled)
    startup = file.startup
    if text != file.text:
        startup = config_file.write(file, text)
    reasons = {item.id: item.disabled for item in startup.configured}
    for name in wanted:
        _report(name, reasons[name])


def _switched(file: ConfigFile, text: str, name: str, *, enabled: bool) -> str:
    """Return `text` with a provider switched. Raises Failure for one that does not exist."""
    from llms_core import default_config
    from llms_core.config.edit import set_member

    if name in file.ids:
        if _is_enabled(file, name) == enabled:
            return text
        return set_member(text, ("providers", name, "enabled"), enabled, first=True)
    if not enabled:
        if name not in default_config.embedded(file.startup.host):
            raise no_such("provider", name, file.ids)
        return set_member(text, ("providers", name), {"enabled": False})
    block = _new_block(file, name)
    if block is None:
        raise no_such("provider", name, [*file.ids, *default_config.names(file.startup.host)])
    return set_member(text, ("providers", name), block)


def _new_block(file: ConfigFile, name: str) -> dict[str, Any] | None:
    """Return a block for a provider that the file does not have; None if nothing is known of it."""
    from llms_core import default_config
    from llms_core.config import places
    from llms_core.config.llms_py import catalogue
    from llms_core.config.source import Source

    host = file.startup.host
    source = Source(file.text.encode(), str(file.path))
    if catalogue.suffices(source, (file.path.parent, places.home(os.environ)), name, host.specs):
        return {"enabled": True}
    return default_config.block(name, host)


def _is_enabled(file: ConfigFile, name: str) -> bool:
    """Whether the file enables a provider, which may still have no key."""
    [item] = [item for item in file.startup.configured if item.id == name]
    return item.disabled != DISABLED_BY_USER


def _report(name: str, reason: str | None) -> None:
    if reason is None:
        click.echo(f"{name}: enabled")
    elif reason == DISABLED_BY_USER:
        click.echo(f"{name}: disabled")
    else:
        click.echo(f"{name}: enabled, but it cannot be used yet: {reason}", err=True)
