"""`llms disable`."""

from __future__ import annotations

from pathlib import Path

import click

from llms_core.cli.completion import parameters as completing
from llms_core.cli.files import files
from llms_core.cli.switching import switch


@click.command(short_help="Disable providers in llms.json.")
@click.argument(
    "providers", nargs=-1, required=True, metavar="PROVIDER...", shell_complete=completing.enabled_providers
)
@files
def command(providers: tuple[str, ...], config: Path | None, plugins: Path | None) -> None:
    """Disable providers in llms.json. They stay in the file.

    Everything else in the file stays as it is, comments included. A running server uses the change within a second.

    \b
      llms disable openrouter
      llms disable openai anthropic
    """
    switch(providers, enabled=False, config=config, plugins=plugins)
