"""The `llms` command: one file a command, imported when it is used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from llms_core import __version__
from llms_core.errors import LlmsError

COMMANDS = ("serve", "ls", "route", "plugins", "conformance", "config", "keys")
"""Our own, in the order of `--help`; each is `command` of the module of its name."""


class Fault(click.ClickException):
    """A deliberate failure: its message alone, and exit code 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Write the message to stderr."""
        click.echo(f"llms: {self.message}", err=True)


class Commands(click.Group):
    """Our own commands, and those of plugins; plugins are loaded only where none of ours is meant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Ours in their own order, then the plugins'."""
        return [*COMMANDS, *sorted(_of_plugins(ctx))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by its name; ours cannot be replaced by a plugin's."""
        if cmd_name in COMMANDS:
            command: click.Command = import_module(f"{__name__}.{cmd_name}").command
            return command
        return _of_plugins(ctx).get(cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what it raises on purpose becomes a message, anything else keeps its traceback."""
        try:
            return super().invoke(ctx)
        except LlmsError as error:
            raise Fault(str(error)) from error


def _of_plugins(ctx: click.Context) -> Mapping[str, click.Command]:
    """The plugins' commands, loaded once a run. Help is there for who has a file that is wrong, too."""
    commands: Mapping[str, click.Command] | None = ctx.meta.get(__name__)
    if commands is None:
        from llms_core.plugins.loading import load_plugins  # not for who asks for no plugin

        group = click.Group("llms")
        try:
            load_plugins(ctx.find_root().params.get("plugins"))[1].commands(group, COMMANDS)
        except LlmsError as error:
            click.echo(f"llms: {error}", err=True)
        commands = ctx.meta[__name__] = group.commands
    return commands


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
    from llms_core.cli.serve import command

    ctx.invoke(command, port=port, config=config, plugins=plugins, verbose=verbose)
