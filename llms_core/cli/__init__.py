"""The `llms` command. Each subcommand is a module, imported when it is used, so that `llms --help` stays fast."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from llms_core import __version__
from llms_core.errors import LlmsError

#: The built-in commands in the order of `--help`. Each is the object `command` in the module of its name.
COMMANDS = ("serve", "ls", "route", "plugins", "conformance", "config", "keys")


class UserError(click.ClickException):
    """A deliberate error: prints only its message, and exits with code 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Write the message to stderr."""
        click.echo(f"llms: {self.message}", err=True)


class Commands(click.Group):
    """The built-in commands and those of plugins. Plugins are loaded only if the command is not built in."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the built-in commands in their own order, then the plugins' commands."""
        return [*COMMANDS, *sorted(_plugin_commands(ctx))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by name; a plugin cannot replace a built-in one."""
        if cmd_name in COMMANDS:
            command: click.Command = import_module(f"{__name__}.{cmd_name}").command
            return command
        return _plugin_commands(ctx).get(cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Our own errors become messages; unexpected exceptions keep their traceback."""
        try:
            return super().invoke(ctx)
        except LlmsError as error:
            raise UserError(str(error)) from error


def _plugin_commands(ctx: click.Context) -> Mapping[str, click.Command]:
    """Load the plugins once per run and return their commands.

    An invalid plugins.toml is only reported, because `llms --help` has to work nevertheless.
    """
    commands: Mapping[str, click.Command] | None = ctx.meta.get(__name__)
    if commands is not None:
        return commands
    from llms_core.plugins.loading import load_plugins  # slow to import, and not needed for built-in commands

    group = click.Group("llms")
    try:
        _, host = load_plugins(ctx.find_root().params.get("plugins"))
        host.commands(group, COMMANDS)
        for finding in host.findings:
            if finding.hook == "llms_commands":
                click.echo(f"llms: {finding.text}", err=True)
    except LlmsError as error:
        click.echo(f"llms: {error}", err=True)
    ctx.meta[__name__] = group.commands
    return group.commands


@click.group(cls=Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="llms")
@click.option("--config", type=click.Path(path_type=Path), help="The llms.json to use.")
# Eager, so that `--plugins FILE --help` lists the commands of that file's plugins.
@click.option("--plugins", type=click.Path(path_type=Path), is_eager=True, help="The plugins.toml to use.")
@click.option("--serve", "port", type=click.IntRange(0, 65535), metavar="PORT", help="As `llms serve --port PORT`.")
@click.option("--verbose", is_flag=True, help="With --serve: a detailed log.")
@click.pass_context
def main(ctx: click.Context, config: Path | None, plugins: Path | None, port: int | None, verbose: bool) -> None:
    """An OpenAI-compatible gateway over many LLM providers."""
    if ctx.invoked_subcommand is not None:
        return
    if port is None:
        click.echo(ctx.get_help())
        return
    # llms.py is started with `llms --serve PORT`, so this form works here, too.
    from llms_core.cli.serve import command

    ctx.invoke(command, port=port, config=config, plugins=plugins, verbose=verbose)
