"""The `llms` command. Each subcommand is a module, imported when it is used, so that `llms --help` stays fast.

What is no command is a prompt: `llms tell me a joke`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llms_core import __version__
from llms_core.cli import completion, stdout
from llms_core.cli.user_error import Failure, UserError
from llms_core.cli.verbosity import verbosity
from llms_core.errors import ConfigError, LlmsError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

#: The built-in commands in the order of `--help`. Each is the object `command` in the module of its name,
#: unless `_ELSEWHERE` says otherwise.
COMMANDS = (
    "chat",
    "log",
    "serve",
    "init",
    "add",
    "enable",
    "disable",
    "default",
    "check",
    "import",
    "ls",
    "prices",
    "usage",
    "route",
    "plugins",
    "conformance",
    "config",
    "keys",
    "completion",
)

#: Commands that are elsewhere: `import` cannot be the name of a module, and two share one.
_ELSEWHERE = {
    "import": ("importing", "command"),
    "enable": ("switching", "enable"),
    "disable": ("switching", "disable"),
}

#: Options by which llms.py starts what is a command here.
LLMS_PY_OPTIONS = {
    "--serve": ("serve", "--port"),
    "--list": ("ls",),
    "--init": ("init",),
    "--enable": ("enable",),
    "--disable": ("disable",),
    "--default": ("default",),
    "--check": ("check",),
}


class Commands(click.Group):
    """The built-in commands, those of plugins, and prompts.

    Plugins are loaded only if the command is not built in.
    """

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line, or complete it."""
        if completion.VARIABLE in os.environ:
            completion.prepare()
        try:
            return super().main(*args, **extra)
        except (OSError, SystemExit) as ended:
            unwritten = stdout.reason_unwritten(ended)
            if unwritten is None:
                raise
            click.echo(f"llms: the output cannot be written: {unwritten}", err=True)
            raise SystemExit(Failure.exit_code) from None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options that every command has. What follows them is a command, or a prompt with its options."""
        own, rest = self._divided(ctx, args)
        return super().parse_args(ctx, [*own, "--", *rest] if rest else own)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first argument names, or else the one that asks a model.

        An option before the command's name, or `--`, makes a prompt of everything.
        """
        command = None
        if not args[0].startswith("-") and self._may_be_command(ctx, args[0]):
            command = self.get_command(ctx, args[0])
        if command is not None:
            return args[0], command, args[1:]
        if len(args) == 1 and not ctx.resilient_parsing:
            self._reject_misspelt(ctx, args[0])
        return "", _ask(), args

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the built-in commands in their own order, then the plugins' commands.

        An invalid plugins.toml is only reported, because `llms --help` has to work nevertheless.
        """
        from llms_core.cli import plugin_commands

        try:
            return [*COMMANDS, *sorted(plugin_commands.load(ctx, COMMANDS))]
        except LlmsError as error:
            click.echo(f"llms: {error}", err=True)
            return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by name; a plugin cannot replace a built-in one. Raises ConfigError for invalid files."""
        if cmd_name in COMMANDS:
            module, attribute = _ELSEWHERE.get(cmd_name, (cmd_name, "command"))
            command: click.Command = getattr(import_module(f"{__name__}.{module}"), attribute)
            return command
        from llms_core.cli import plugin_commands

        return plugin_commands.load(ctx, COMMANDS).get(cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Our own errors become messages; unexpected exceptions keep their traceback."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            raise UserError(str(error)) from error
        except LlmsError as error:
            raise Failure(str(error)) from error
        except KeyboardInterrupt as error:
            # A server that was told to stop has its own status. For Ctrl-C, as shells do: 128 and the signal's number.
            raise SystemExit(error.code if isinstance(error, SystemExit) else 130) from None

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write both forms of the command line."""
        formatter.write_usage(ctx.command_path, "[OPTIONS] PROMPT...")
        formatter.write_usage(ctx.command_path, "[OPTIONS] COMMAND [ARGS]...", prefix="       ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options for prompts, those of every command, and the commands."""
        own = {param.name for param in self.get_params(ctx)}
        options = [param for param in _ask().get_params(ctx) if isinstance(param, click.Option)]
        for_prompts = [option for option in options if option.name not in own]
        _write_options(ctx, formatter, "Options for prompts", for_prompts)
        _write_options(
            ctx,
            formatter,
            "Options of every command, before its name or after it",
            self.get_params(ctx),
        )
        self.format_commands(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command, or the options of prompts and those of every command."""
        if incomplete.startswith("-"):
            return completion.options([_ask(), self], ctx, incomplete)
        return completion.commands(ctx, incomplete, COMMANDS)

    def _may_be_command(self, ctx: click.Context, name: str) -> bool:
        """Whether a word is worth a search among the plugins' commands, which takes too long while a user types."""
        return not ctx.resilient_parsing or name in COMMANDS or completion.is_command(ctx, name)

    def _reject_misspelt(self, ctx: click.Context, word: str) -> None:
        """Raise UsageError for a single word that is nearly the name of a command: asking a model costs money."""
        from difflib import get_close_matches

        similar = get_close_matches(word, self.list_commands(ctx), n=1, cutoff=0.75)
        if similar:
            ctx.fail(
                f"No such command '{word}'. Did you mean `llms {similar[0]}`? As a prompt: `llms -- {word}`"
            )

    def _divided(self, ctx: click.Context, args: Sequence[str]) -> tuple[list[str], list[str]]:
        """Divide the arguments into the options of this group that come first, and the rest."""
        options = {name: param for param in self.get_params(ctx) for name in param.opts}
        own: list[str] = []
        rest = list(args)
        while rest:
            name, equals, value = rest[0].partition("=")
            if replacement := LLMS_PY_OPTIONS.get(name):
                return own, [*replacement, *([value] if equals else []), *rest[1:]]
            option = options.get(name)
            if not isinstance(option, click.Option):
                break
            length = 1 if option.is_flag or equals else 2
            own += rest[:length]
            del rest[:length]
        return own, rest


def _ask() -> click.Command:
    """Return the command that asks a model."""
    command: click.Command = import_module(f"{__name__}.ask").command
    return command


def _write_options(
    ctx: click.Context,
    formatter: click.HelpFormatter,
    title: str,
    params: Sequence[click.Parameter],
) -> None:
    rows = [row for param in params if (row := param.get_help_record(ctx)) is not None]
    with formatter.section(title):
        formatter.write_dl(rows)


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--config", type=click.Path(path_type=Path), help="The llms.json to use.")
# Eager, so that `--plugins FILE --help` lists the commands of that file's plugins.
@click.option(
    "--plugins", type=click.Path(path_type=Path), is_eager=True, help="The plugins.toml to use."
)
@verbosity
@click.version_option(__version__, prog_name="llms")
@click.pass_context
def main(ctx: click.Context, config: Path | None, plugins: Path | None) -> None:
    """Ask a model, or run an OpenAI-compatible gateway over many LLM providers.

    \b
      llms "Why is the sky blue?"             asks the default model
      llms -m kimi-k2 tell me a joke          asks another one
      git diff | llms -s "Review this"        asks about what is piped in
      llms --image cat.png "What is it?"      also --audio and --file; a path or a URL
      llms -c "And in French?"                continues the last conversation
      llms chat                               has a conversation
      llms -- route me to Rome                a prompt that begins with a command's name
      llms serve                              starts the gateway
    """
    if ctx.invoked_subcommand is None:
        # There may be a prompt on standard input.
        with _ask().make_context("", [], parent=ctx) as asking:
            asking.command.invoke(asking)
