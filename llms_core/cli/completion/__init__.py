"""`llms completion`: prints the script that makes a shell complete commands, options, providers and models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llms_core.cli.completion.variable import VARIABLE as VARIABLE
from llms_core.cli.files import files

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Complete commands, providers and models in your shell.")
@click.argument("shell", type=click.Choice(SHELLS))
@files
@click.pass_context
def command(ctx: click.Context, shell: str, config: Path | None, plugins: Path | None) -> None:
    """Print a script for your shell, which makes it complete commands, options, providers and models.

    Names come from your files; no request is sent. Add the line to what your shell reads when it starts:

    \b
      eval "$(llms completion bash)"           in ~/.bashrc
      eval "$(llms completion zsh)"            in ~/.zshrc, after compinit
      llms completion fish | source            in ~/.config/fish/config.fish
    """
    from llms_core.cli.completion import names, shells

    click.echo(shells.script(ctx.find_root().command, shell), nl=False)
    # So that the first completion is as fast as the others.
    names.known(ctx)


def prepare() -> None:
    """Prepare this process for completing, in place of running a command."""
    import logging

    from llms_core.cli.completion import shells

    # Whatever is said, for example about a plugin, would be in the middle of the line that the user types.
    logging.disable()
    shells.register()


def commands(ctx: click.Context, incomplete: str, built_in: Sequence[str]) -> list[CompletionItem]:
    """Return the commands that begin so; only the built-in ones if a file is invalid."""
    from click.shell_completion import CompletionItem

    from llms_core.cli.completion import names

    found = names.known(ctx).commands or dict.fromkeys(built_in, "")
    return [
        CompletionItem(name, help=text)
        for name, text in found.items()
        if name.startswith(incomplete)
    ]


def options(
    groups: Sequence[click.Command], ctx: click.Context, incomplete: str
) -> list[CompletionItem]:
    """Return the options of several commands that begin so, each once."""
    found: dict[str, CompletionItem] = {}
    for group in groups:
        for item in click.Command.shell_complete(group, ctx, incomplete):
            found[item.value] = item
    return list(found.values())


def is_command(ctx: click.Context, name: str) -> bool:
    """Whether there is a command of this name, as far as is known."""
    from llms_core.cli.completion import names

    return name in names.known(ctx).commands
