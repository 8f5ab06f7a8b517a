"""`llms enable`."""

from __future__ import annotations

from pathlib import Path

import click

from llms_core.cli.completion import parameters as completing
from llms_core.cli.files import files
from llms_core.cli.switching import switch


@click.command(short_help="Enable providers in llms.json.")
@click.argument(
    "providers", nargs=-1, required=True, metavar="PROVIDER...", shell_complete=completing.further_providers
)
@files
def command(providers: tuple[str, ...], config: Path | None, plugins: Path | None) -> None:
    """Enable providers in llms.json. One that is installed but not in the file is added to its end.

    Everything else in the file stays as it is, comments included. A running server uses the change within a second.

    \b
      llms enable groq
      llms enable openai anthropic
    """
    switch(providers, enabled=True, config=config, plugins=plugins)
