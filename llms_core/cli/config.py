"""`llms config`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from llms_core.cli.files import files
from llms_core.cli.verbosity import verbosity


@click.group(short_help="Check llms.json and plugins.toml.")
def command() -> None:
    """Check your files, and get their JSON schemas for your editor.

    \b
      llms config check
      llms config schema > llms.schema.json
    """


@command.command()
@click.option("--strict", is_flag=True, help="Treat unknown members as errors.")
@files
def check(strict: bool, config: Path | None, plugins: Path | None) -> None:
    """Do everything that a start of the gateway does, except for serving, and list what is wrong.

    The exit code is 2 if the gateway would not start.

    \b
      llms config check
      llms config check --strict --config ./llms.json
    """
    from llms_core import checks
    from llms_core.cli.examining import examined
    from llms_core.server import in_effect

    found = examined(config, plugins, strict=strict)
    started = found.startup
    for warning in checks.warnings(started):
        click.echo(f"warning: {warning}", err=True)
    for note in started.llms_json.notes:
        click.echo(f"note: {note}", err=True)
    for line in in_effect.unused_keys(started, os.environ):
        click.echo(f"note: {line}", err=True)
    for finding in found.findings:
        if finding.fault and not finding.is_warned:
            click.echo(f"warning: {finding.text}", err=True)
    if found.errors:
        for error in found.errors[1:]:
            click.echo(f"error: {error}", err=True)
        raise found.errors[0]
    enabled = [item for item in started.configured if item.disabled is None]
    if not enabled:
        click.echo(f"warning: {in_effect.NO_PROVIDER}", err=True)
    click.echo(f"{started.plugins_toml.path or 'no plugins.toml'}: ok")
    click.echo(
        f"{started.llms_json.path}: ok, {len(enabled)} of {len(started.configured)} providers enabled"
    )


@command.command()
@click.argument("file", type=click.Choice(["llms.json", "plugins.toml"]), default="llms.json")
@verbosity
def schema(file: str) -> None:
    """Print the JSON schema of a FILE, for your editor: that of llms.json, or of plugins.toml.

    \b
      llms config schema > llms.schema.json
      llms config schema plugins.toml > plugins.schema.json
    """
    if file == "plugins.toml":
        from llms_core.cli.reference import plugins_schema

        click.echo(plugins_schema.rendered(), nl=False)
        return
    from llms_core.config import schema as llms_json_schema

    click.echo(llms_json_schema.rendered(), nl=False)
