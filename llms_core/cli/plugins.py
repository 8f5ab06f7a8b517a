"""`llms plugins`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec

from llms_core.cli.files import files, table
from llms_core.cli.verbosity import verbosity

if TYPE_CHECKING:
    from llms_core.plugins.report import PluginReport
    from llms_core.server.examination import Examination


class Files(NamedTuple):
    """The options of the group, for its commands."""

    config: Path | None
    plugins: Path | None


@click.group(short_help="List plugins and their state.", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@files
@click.pass_context
def command(ctx: click.Context, as_json: bool, config: Path | None, plugins: Path | None) -> None:
    """List every plugin that is installed or named in plugins.toml: what it provides, and what is wrong with it.

    \b
      llms plugins
      llms plugins doctor
    """
    ctx.obj = Files(config, plugins)
    if ctx.invoked_subcommand is None:
        _list(ctx.obj, as_json)


@command.command(short_help="Report problems of plugins.")
@click.option(
    "--pins", is_flag=True, help="Print the entry for [plugins] pins of each distribution."
)
@verbosity
@click.pass_obj
def doctor(given: Files, pins: bool) -> None:
    """Examine every plugin and what it adds, as a start of the server does.

    That includes errors, conflicts, deprecated hooks, ranges on llms-core, import times, settings, adapters and routes.
    The exit code is 1 if a plugin, or a part of one, does not work, or if the server would not start.

    \b
      llms plugins doctor
      llms plugins doctor --pins
    """
    from llms_core.cli.examining import examined

    found = examined(given.config, given.plugins)
    host = found.startup.host
    for warning in host.warnings:
        click.echo(f"plugins.toml: {warning}")
    for finding in found.findings:
        click.echo(finding.text)
    for error in found.errors:
        click.echo(f"the server does not start: {error}")
    for report in host.reports:
        click.echo(f"{report.name}: import {_milliseconds(report)}, {report.state}")
        if pins:
            _show_pin(report)
    if found.errors or any(finding.fault for finding in found.findings):
        raise SystemExit(1)


@command.command(short_help="Create a plugin: a project that passes its own tests.")
@click.argument("name")
@click.option(
    "--native", "kind", flag_value="native", help="A provider whose protocol is not OpenAI's."
)
@click.option(
    "--token", "kind", flag_value="token", help="A provider whose key is exchanged for a token."
)
@click.option(
    "--middleware", "kind", flag_value="middleware", help="Something around every request."
)
@click.option("--auth", "kind", flag_value="auth", help="A way to identify callers.")
@click.option(
    "--observer", "kind", flag_value="observer", help="Something that learns about every request."
)
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Where to create it; default: ./DISTRIBUTION."
)
@verbosity
@click.pass_obj
def new(given: Files, name: str, kind: str | None, folder: Path | None) -> None:
    """Create a project with the plugin NAME: module, tests, CI. Existing files are not overwritten.

    Without an option the plugin is a provider that speaks OpenAI's protocol.

    \b
      llms plugins new acme
      llms plugins new acme --native --folder ./acme
    """
    from llms_core.cli.scaffold import KINDS, create
    from llms_core.plugins.loading import load_plugins

    _, host = load_plugins(given.plugins)
    chosen = KINDS[kind or "compatible"]
    taken = host.specs if chosen.is_provider else {report.name for report in host.reports}
    written = create(name, chosen, folder=folder, taken=taken)
    for path in written:
        click.echo(path)
    project = next(path.parent for path in written if path.name == "pyproject.toml")
    click.echo(f"\nNext: cd {project} && pip install -e '.[test]' && pytest")


def _list(given: Files, as_json: bool) -> None:
    from llms_core.cli.examining import examined

    found = examined(given.config, given.plugins)
    host = found.startup.host
    for warning in host.warnings:
        click.echo(f"llms: {warning}", err=True)
    if as_json:
        rows = [
            {**msgspec.to_builtins(report), "problems": _problems(found, report)}
            for report in host.reports
        ]
        click.echo(json.dumps(rows, indent=2))
    elif host.reports:
        _show_table(found)
    else:
        click.echo(
            "No plugins are installed. `pip install llms-providers` installs the usual providers."
        )
    for error in found.errors:
        click.echo(f"llms: the server does not start: {error}", err=True)


def _problems(found: Examination, report: PluginReport) -> list[str]:
    """The faults of a plugin beside the reason in its report."""
    problems = []
    for finding in found.findings:
        if finding.fault and finding.plugin == report.name:
            text = finding.text
            if not report.reason or report.reason not in text:
                problems.append(text)
    return problems


def _show_table(found: Examination) -> None:
    header = ("NAME", "DISTRIBUTION", "VERSION", "STATE", "IMPORT")
    host = found.startup.host
    table([header, *_rows(host.reports)])
    click.echo()
    in_use = {layer.origin for layer in host.middleware}
    for report in host.reports:
        click.echo(f"{report.name}: {report.reason or _provided(report, in_use)}")
        for problem in _problems(found, report):
            click.echo(f"  {problem}")


def _provided(report: PluginReport, in_use: Collection[str]) -> str:
    """Say what a plugin provides; `in_use` are the origins of plugins with middleware."""
    text = f"provides {', '.join(report.provides)}"
    # Such as the guard, which is off until it is configured.
    if report.provides == ("llms_middleware",) and report.origin not in in_use:
        return f"{text} (off: see [plugin.{report.name}] of plugins.toml)"
    return text


def _rows(reports: Iterable[PluginReport]) -> Iterable[tuple[str, ...]]:
    for report in reports:
        yield report.name, report.distribution, report.version, report.state, _milliseconds(report)


def _milliseconds(report: PluginReport) -> str:
    return f"{report.import_seconds * 1000:.0f} ms"


def _show_pin(report: PluginReport) -> None:
    from llms_core.plugins.doctor import pin_of

    pin = pin_of(report)
    if pin is not None:
        click.echo(f'  {report.distribution} = "{pin}"')
