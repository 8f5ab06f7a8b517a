"""`llms PROMPT`: asks a model, through the same routing as the gateway."""

from __future__ import annotations

from pathlib import Path

import click

from llms_core.cli.completion import parameters as completing
from llms_core.cli.files import files


class _Context(click.Context):
    """Prompts have no command's name: usage errors begin with `llms [OPTIONS]`."""

    @property
    def command_path(self) -> str:
        return self.find_root().command_path


class _Ask(click.Command):
    context_class = _Context


@click.command(cls=_Ask, add_help_option=False)
@click.argument("words", nargs=-1, metavar="[PROMPT]...")
@click.option(
    "-m",
    "--model",
    metavar="NAME",
    shell_complete=completing.models,
    help="The model; by default that of `defaults.text` in llms.json.",
)
@click.option("-s", "--system", metavar="TEXT", help="The system prompt.")
@click.option(
    "--image",
    "images",
    metavar="SOURCE",
    multiple=True,
    shell_complete=completing.files,
    help="A picture: a path, URL, data URI, or -.",
)
@click.option(
    "--audio",
    "audios",
    metavar="SOURCE",
    multiple=True,
    shell_complete=completing.files,
    help="A recording.",
)
@click.option(
    "--file",
    "documents",
    metavar="SOURCE",
    multiple=True,
    shell_complete=completing.files,
    help="A document, such as a PDF.",
)
@click.option(
    "--chat",
    metavar="FILE",
    shell_complete=completing.files,
    help="A chat request in JSON: the prompt and media replace those in it.",
)
@click.option("-c", "--continue", "continues", is_flag=True, help="Continue the last conversation.")
@click.option(
    "--conversation", "--cid", metavar="ID", help="Continue this conversation; see `llms log`."
)
@click.option(
    "-n", "--no-log", is_flag=True, help="Keep this prompt and its answer out of the log."
)
@click.option(
    "-o",
    "--option",
    "options",
    metavar="NAME=VALUE",
    multiple=True,
    help="A parameter: JSON, or else text.",
)
@click.option("--args", metavar="A=1&B=2", help="Parameters, URL-encoded, as with llms.py.")
@click.option(
    "--schema",
    metavar="FILE",
    shell_complete=completing.files,
    help="A JSON schema that the answer has to fit; the answer is JSON.",
)
@click.option("--raw", is_flag=True, help="Print the whole answer as JSON.")
@click.option(
    "--no-markdown", is_flag=True, help="Print the text as the model writes it, also on a terminal."
)
@click.option("--usage", is_flag=True, help="Print tokens, cost and providers to stderr.")
@click.option("-h", "--help", "wants_help", is_flag=True, hidden=True)
@files
@click.pass_context
def command(
    ctx: click.Context,
    words: tuple[str, ...],
    model: str | None,
    system: str | None,
    images: tuple[str, ...],
    audios: tuple[str, ...],
    documents: tuple[str, ...],
    chat: str | None,
    continues: bool,
    conversation: str | None,
    no_log: bool,
    options: tuple[str, ...],
    args: str | None,
    schema: str | None,
    raw: bool,
    no_markdown: bool,
    usage: bool,
    wants_help: bool,
    config: Path | None,
    plugins: Path | None,
) -> None:
    """Ask a model."""
    if wants_help:
        click.echo(ctx.find_root().get_help())
        return
    if chat is not None and (continues or conversation):
        raise click.UsageError(
            "--chat begins a conversation: it cannot be combined with -c and --conversation"
        )
    # Imported only here, as they take long.
    from llms_core.cli import session
    from llms_core.cli.ask import output, parameters, prompt
    from llms_core.cli.ask.run import Options, ask
    from llms_core.cli.ask.schema import Schema
    from llms_core.cli.log import history

    sources = {"image": images, "audio": audios, "file": documents}
    started = session.load(ctx, config, plugins)
    reads_stdin = not any("-" in paths for paths in sources.values())
    text = prompt.read(words, started.llms_json.max_body, reads_stdin=reads_stdin)
    if not text and chat is None and not any(sources.values()):
        if not any((words, model, system, continues, conversation, schema)):
            click.echo(ctx.find_root().get_help())
            return
        raise click.UsageError(
            "there is no prompt: neither words nor standard input; `llms --help` lists the options"
        )
    asked = Options(
        prompt=text,
        model=model,
        system=system,
        sources=sources,
        chat=chat,
        parameters=parameters.parse(args, options),
        schema=None if schema is None else Schema(schema),
        shows_usage=usage,
    )
    talk = history.conversation(continues=continues, id=conversation, is_logged=not no_log)
    has_markdown = not no_markdown and output.may_render(ctx)
    printer = output.printer(raw=raw, whole=schema is not None, markdown=has_markdown)
    with session.running(started) as (service, run):
        run(ask(service, talk, asked, printer))
