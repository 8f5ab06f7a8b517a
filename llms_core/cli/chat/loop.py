"""The loop of `llms chat`: a prompt, its answer, the next prompt."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click
import msgspec

from llms_core.cli import session
from llms_core.cli.ask.output import Printer
from llms_core.cli.ask.run import Options, ask, ready
from llms_core.cli.chat import prompt
from llms_core.cli.conversation import Conversation
from llms_core.errors import LlmsError
from llms_core.startup import Startup

_HELP = "Ctrl-C cancels an answer, Ctrl-D leaves, !multi begins a prompt of several lines, which !end ends."


def chat(
    started: Startup,
    conversation: Conversation,
    options: Options,
    new_printer: Callable[[], Printer],
) -> None:
    """Ask for prompts and answer them until there are no more. A prompt that fails ends nothing.

    Raises LlmsError if no prompt could be answered: there is no such model, or a parameter is invalid.
    """
    is_terminal = sys.stdin.isatty()
    with (
        session.running(started) as (service, run),
        prompt.editing(is_terminal, keeps=conversation.is_logged),
    ):
        name = run(ready(service, conversation, options))
        if is_terminal:
            click.echo(f"{name}. {_HELP}")
        while (text := prompt.read(is_terminal)) is not None:
            asked = msgspec.structs.replace(options, prompt=text, model=name)
            try:
                run(ask(service, conversation, asked, new_printer()))
            except KeyboardInterrupt:
                click.echo("(cancelled)", err=True)
                continue
            except LlmsError as error:
                click.echo(f"llms: {error}", err=True)
                continue
            # The conversation has it now.
            options = msgspec.structs.replace(options, system=None)
