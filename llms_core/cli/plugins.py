"""`llms plugins`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llms_core.cli.files import files, table

if TYPE_CHECKING:
    from llms_core.plugins.report import PluginReport


@click.command(short_help="List plugins and their state.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@files
def command(as_json: bool, config: Path | None, plugins: Path | None) -> None:
    """List every plugin that is installed or named in plugins.toml: what it provides, or why it is not in use."""
    from llms_core.plugins.loading import load_plugins

    _, host = load_plugins(plugins)
    for warning in host.warnings:
        click.echo(f"llms: {warning}", err=True)
    if as_json:
        click.echo(json.dumps([_as_json(report) for report in host.reports], indent=2))
    elif not host.reports:
        click.echo("There is no plugin. `pip install llms-providers` brings the usual providers.")
    else:
        rows = [
            (report.name, report.distribution, report.version, report.state, f"{report.import_seconds * 1000:.0f} ms")
            for report in host.reports
        ]
        table([("NAME", "DISTRIBUTION", "VERSION", "STATE", "IMPORT"), *rows])
        click.echo()
        for report in host.reports:
            click.echo(f"{report.name}: {report.reason or 'provides ' + ', '.join(report.provides)}")


def _as_json(report: PluginReport) -> dict[str, object]:
    return {field: getattr(report, field) for field in report.__struct_fields__}
