"""`llms chat`: a conversation on a terminal."""

from __future__ import annotations

from pathlib import Path

import click

from llms_core.cli.completion import parameters as completing
from llms_core.cli.files import files


@click.command(short_help="Have a conversation with a model.")
@click.option(
    "-m",
    "--model",
    metavar="NAME",
    shell_complete=completing.models,
    help="The model; by default that of `defaults.text` in llms.json.",
)
@click.option("-s", "--system", metavar="TEXT", help="The system prompt.")
@click.option(
    "-c",
    "--continue",
    "continues",
    is_flag=True,
    help="Continue the last conversation, with its model.",
)
@click.option(
    "--conversation", "--cid", metavar="ID", help="Continue this conversation; see `llms log`."
)
@click.option("-n", "--no-log", is_flag=True, help="Keep the conversation out of the log.")
@click.option(
    "-o",
    "--option",
    "options",
    metavar="NAME=VALUE",
    multiple=True,
    help="A parameter: JSON, or else text.",
)
@click.option("--no-markdown", is_flag=True, help="Print the text as the model writes it.")
@click.option("--usage", is_flag=True, help="Print tokens, cost and providers after each answer.")
@files
@click.pass_context
def command(
    ctx: click.Context,
    model: str | None,
    system: str | None,
    continues: bool,
    conversation: str | None,
    no_log: bool,
    options: tuple[str, ...],
    no_markdown: bool,
    usage: bool,
    config: Path | None,
    plugins: Path | None,
) -> None:
    """Have a conversation. Every answer is logged: `llms chat -c` continues it, and `llms log` lists all of them.

    Ctrl-C cancels an answer. Ctrl-D leaves, and so does `exit` or `quit`. `!multi` begins a prompt of several lines,
    which `!end` ends, and `!edit` opens your editor.

    \b
      llms chat
      llms chat -m kimi-k2 -s "Answer in French"
      llms chat -c
    """
    # Imported only here, as they take long.
    from llms_core.cli import session
    from llms_core.cli.ask import output, parameters
    from llms_core.cli.ask.run import Options
    from llms_core.cli.chat.loop import chat
    from llms_core.cli.log import history

    started = session.load(ctx, config, plugins)
    asked = Options(
        model=model, system=system, parameters=parameters.parse(None, options), shows_usage=usage
    )
    talk = history.conversation(continues=continues, id=conversation, is_logged=not no_log)
    has_markdown = not no_markdown and output.may_render(ctx)
    chat(started, talk, asked, lambda: output.printer(markdown=has_markdown))
