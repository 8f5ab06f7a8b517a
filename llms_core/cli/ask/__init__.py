"""`llms PROMPT`: asks a model, through the same routing as the gateway."""

from __future__ import annotations

from pathlib import Path

import click

from llms_core.cli.files import files
from llms_core.cli.user_error import RequestFailed
from llms_core.errors import ProviderError, RequestError


@click.command(add_help_option=False)
@click.argument("words", nargs=-1)
@click.option("-m", "--model", metavar="NAME", help="The model; by default that of `defaults.text` in llms.json.")
@click.option("-s", "--system", metavar="TEXT", help="The system prompt.")
@click.option("--image", "images", metavar="SOURCE", multiple=True, help="A picture: a path, URL, data URI, or -.")
@click.option("--audio", "audios", metavar="SOURCE", multiple=True, help="A recording.")
@click.option("--file", "documents", metavar="SOURCE", multiple=True, help="A document, such as a PDF.")
@click.option("--chat", metavar="FILE", help="A chat request in JSON, in which the prompt replaces the last text.")
@click.option("--args", metavar="A=1&B=2", help="Parameters of the request, URL-encoded.")
@click.option("-o", "--option", "options", metavar="NAME=VALUE", multiple=True, help="A parameter; JSON, or else text.")
@click.option("--raw", is_flag=True, help="Print the whole answer as JSON.")
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
    args: str | None,
    options: tuple[str, ...],
    raw: bool,
    wants_help: bool,
    config: Path | None,
    plugins: Path | None,
) -> None:
    """Ask a model."""
    if wants_help:
        click.echo(ctx.find_root().get_help())
        return
    from llms_core import startup
    from llms_core.cli import plugin_commands
    from llms_core.cli.answering import Failed
    from llms_core.cli.ask import parameters, prompt
    from llms_core.cli.ask.output import printer
    from llms_core.cli.ask.run import Options, ask

    sources = {"image": images, "audio": audios, "file": documents}
    started = startup.with_plugins(*plugin_commands.load_plugins(ctx, plugins), config)
    startup.check(started)
    takes_stdin = any("-" in paths for paths in sources.values())
    text = prompt.read(words, started.llms_json.max_body, reads_stdin=not takes_stdin)
    if not text and chat is None and not any(sources.values()):
        click.echo(ctx.find_root().get_help())
        return
    asked = Options(
        prompt=text,
        model=model,
        system=system,
        sources=sources,
        chat=chat,
        parameters=parameters.parse(args, options),
    )
    try:
        ask(started, asked, printer(raw=raw))
    except (Failed, ProviderError, RequestError) as error:
        raise RequestFailed(str(error)) from None
