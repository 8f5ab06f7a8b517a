"""`llms serve`."""

from __future__ import annotations

from pathlib import Path

import click

from llms_core.cli.files import files


@click.command(short_help="Start the gateway.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="The port; 0 picks a free one."
)
@files
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="The number of processes.")
@click.option("--reload", is_flag=True, help="For development: restart when Python files change.")
@click.option("--allow-anonymous", is_flag=True, help="Accept clients without a key on a public address.")
@click.option("--verbose", is_flag=True, help="Log more.")
def command(
    host: str,
    port: int,
    config: Path | None,
    plugins: Path | None,
    workers: int,
    reload: bool,
    allow_anonymous: bool,
    verbose: bool,
) -> None:
    """Start the gateway: OpenAI's API under http://HOST:PORT/v1.

    By default only this machine can reach it. Any other address requires client keys in plugins.toml.
    """
    from llms_core.server.run import ServeOptions, serve  # the server is slow to import

    serve(
        ServeOptions(
            host=host,
            port=port,
            config=config,
            plugins=plugins,
            workers=workers,
            reload=reload,
            allow_anonymous=allow_anonymous,
            verbose=verbose,
        )
    )
