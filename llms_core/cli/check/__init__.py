"""`llms check`."""

from __future__ import annotations

from pathlib import Path

import click

from llms_core.cli.completion import parameters as completing
from llms_core.cli.files import files


@click.command(short_help="Ask models of your providers whether they answer.")
@click.argument("provider", required=False, shell_complete=completing.enabled_providers)
@click.argument(
    "models", nargs=-1, metavar="[MODEL...|all]", shell_complete=completing.models_of_provider
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option(
    "--timeout",
    default=60.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Seconds that a model has to answer.",
)
@click.option(
    "--parallel",
    default=8,
    show_default=True,
    type=click.IntRange(1),
    help="The number of requests at the same time.",
)
@files
@click.pass_context
def command(
    ctx: click.Context,
    provider: str | None,
    models: tuple[str, ...],
    as_json: bool,
    timeout: float,
    parallel: int,
    config: Path | None,
    plugins: Path | None,
) -> None:
    """Send a small request to models, and show how long they take, what that costs, or why they fail.

    Without arguments, the first model of every enabled provider is asked. With PROVIDER, all of its models in llms.json
    are, or else those that it lists itself; with `all`, both. The request is `check` of the provider, or else
    `defaults.check`, of llms.json. The exit code is 1 if any check fails.

    \b
      llms check
      llms check groq
      llms check groq kimi-k2
      llms check ollama all --json
    """
    from llms_core.cli import session
    from llms_core.cli.check.run import Options, check

    started = session.load(ctx, config, plugins)
    options = Options(
        provider=provider, models=models, as_json=as_json, timeout=timeout, parallel=parallel
    )
    if not check(started, options):
        ctx.exit(1)
