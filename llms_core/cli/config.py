"""`llms config`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from llms_core.cli.files import files
from llms_core.cli.verbosity import verbosity


@click.group(short_help="Check llms.json and plugins.toml.")
def command() -> None:
    """Check your files, and get the JSON schema of llms.json for your editor."""


@command.command()
@click.option("--strict", is_flag=True, help="Treat unknown members as errors.")
@files
def check(strict: bool, config: Path | None, plugins: Path | None) -> None:
    """Read both files like the gateway, and list problems in them."""
    from llms_core import startup

    found = startup.load(config, plugins, strict=strict)
    for warning in found.warnings:
        click.echo(f"warning: {warning}", err=True)
    for note in found.llms_json.notes:
        click.echo(f"note: {note}", err=True)
    for report in found.host.reports:
        if report.state == "quarantined":
            click.echo(f"warning: {report.reason}", err=True)
    enabled = [item for item in found.configured if item.disabled is None]
    click.echo(f"{found.plugins_toml.path or 'no plugins.toml'}: ok")
    click.echo(f"{found.llms_json.path}: ok, {len(enabled)} of {len(found.configured)} providers enabled")


@command.command()
@verbosity
def schema() -> None:
    """Print the JSON schema of llms.json."""
    from llms_core.config.schema import schema as schema_of_llms_json

    click.echo(json.dumps(schema_of_llms_json(), indent=2, ensure_ascii=False))
