"""`llms serve`."""

from __future__ import annotations

from pathlib import Path

import click

from llms_core.cli.files import files
from llms_core.cli.verbosity import chosen


@click.command(short_help="Start the gateway.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The port; 0 for any free one.",
)
@files
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="The number of processes.",
)
@click.option("--reload", is_flag=True, help="For development: restart when Python files change.")
@click.option(
    "--allow-anonymous",
    is_flag=True,
    help="Accept clients without a key on an address that other machines can reach.",
)
@click.option("--log-json", is_flag=True, help="Write each line of the log as a JSON object.")
@click.pass_context
def command(
    ctx: click.Context,
    host: str,
    port: int,
    config: Path | None,
    plugins: Path | None,
    workers: int,
    reload: bool,
    allow_anonymous: bool,
    log_json: bool,
) -> None:
    """Start the gateway: OpenAI's API under http://HOST:PORT/v1.

    By default only this machine can reach it. Any other --host requires keys in plugins.toml.

    \b
      llms serve
      llms serve --port 9000 --config ./llms.json
      llms serve --host 0.0.0.0 --workers 4
    """
    from llms_core.server.run import ServeOptions, serve  # imported only here, as it takes long

    log = chosen(ctx)
    serve(
        ServeOptions(
            host=host,
            port=port,
            config=config,
            plugins=plugins,
            workers=workers,
            reload=reload,
            allow_anonymous=allow_anonymous,
            verbose=log.verbose,
            logprefix=log.logprefix,
            log_json=log_json,
        )
    )
