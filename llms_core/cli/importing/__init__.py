"""`llms import`."""

from __future__ import annotations

from pathlib import Path

import click

from llms_core.cli.files import files


@click.group(short_help="Convert the configuration of another gateway.")
def command() -> None:
    """Convert the configuration of another gateway to llms.json and plugins.toml.

    \b
      llms import litellm config.yaml
    """


@command.command(short_help="Convert a configuration of LiteLLM's proxy.")
@click.argument("config_yaml", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--write", is_flag=True, help="Write both files, in place of printing them.")
@click.option(
    "--force", is_flag=True, help="With --write: replace files that exist; backups are kept."
)
@files
@click.pass_context
def litellm(
    ctx: click.Context,
    config_yaml: Path,
    write: bool,
    force: bool,
    config: Path | None,
    plugins: Path | None,
) -> None:
    """Convert the configuration file of LiteLLM's proxy, and report everything that is not converted, or differs.

    Both files are printed, or written to ~/.llms or to where --config and --plugins say. Keys in the file become
    variables, which are written to ~/.llms/.env with --write. The exit code is 1 if a deployment is not converted.

    \b
      llms import litellm config.yaml
      llms import litellm config.yaml --write
    """
    from llms_core.cli.importing.convert import convert
    from llms_core.cli.importing.output import print_files, write_files
    from llms_core.cli.plugin_commands import load_plugins

    _, host = load_plugins(ctx, None)
    converted = convert(config_yaml, host.specs)
    if write:
        write_files(converted, host, config, plugins, force=force)
    else:
        print_files(converted)
    for line in converted.report:
        click.echo(f"{config_yaml}: {line}", err=True)
    if not converted.is_complete:
        ctx.exit(1)
