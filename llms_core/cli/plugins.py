"""`llms plugins`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llms_core.cli.files import files, table

if TYPE_CHECKING:
    from llms_core.plugins.report import PluginReport


@click.group(short_help="List plugins and their state.", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@files
@click.pass_context
def command(ctx: click.Context, as_json: bool, config: Path | None, plugins: Path | None) -> None:
    """List every plugin that is installed or named in plugins.toml: what it provides, or why it is not in use."""
    ctx.obj = plugins
    if ctx.invoked_subcommand is None:
        _list(plugins, as_json)


@command.command(short_help="Say what is wrong with plugins, or soon will be.")
@click.option("--pins", is_flag=True, help="Print what [plugins] pins would say of each distribution.")
@click.pass_obj
def doctor(plugins: Path | None, pins: bool) -> None:
    """Examine every plugin: faults, conflicts, deprecated hooks, ranges on llms-core, import times.

    The exit code is 1 where a plugin, or a part of one, does not work.
    """
    from llms_core.plugins.doctor import examine, pin_of
    from llms_core.plugins.loading import load_plugins

    _, host = load_plugins(plugins)
    findings = examine(host.reports)
    for warning in host.warnings:
        click.echo(f"plugins.toml: {warning}")
    for finding in findings:
        click.echo(f"{finding.plugin}: {finding.text}")
    for report in host.reports:
        click.echo(f"{report.name}: import {report.import_seconds * 1000:.0f} ms, {report.state}")
        if pins and (pin := pin_of(report)):
            click.echo(f'  {report.distribution} = "{pin}"')
    if any(finding.fault for finding in findings):
        raise SystemExit(1)


@command.command(short_help="Begin a plugin: a project that passes its own tests.")
@click.argument("name")
@click.option("--native", is_flag=True, help="For a protocol that is not OpenAI's.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to; ./llms-provider-NAME unless given.")
@click.pass_obj
def new(plugins: Path | None, name: str, native: bool, folder: Path | None) -> None:
    """Write a project with a plugin for the provider NAME: module, tests, CI. Nothing is overwritten."""
    from llms_core.cli.scaffold import create
    from llms_core.plugins.loading import load_plugins

    written = create(name, native=native, folder=folder, taken=load_plugins(plugins)[1].specs)
    for path in written:
        click.echo(path)
    project = next(path.parent for path in written if path.name == "pyproject.toml")
    click.echo(f"\nNext: cd {project} && pip install --group test -e . && pytest")


def _list(plugins: Path | None, as_json: bool) -> None:
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
