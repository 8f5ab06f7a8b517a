"""`llms add`."""

from __future__ import annotations

from pathlib import Path

import click

from llms_core.cli.completion import parameters as completing
from llms_core.cli.files import files


@click.command(short_help="Set up a provider: its key, its models, and a test.")
@click.argument("provider", required=False, shell_complete=completing.further_providers)
@click.option(
    "--key-env",
    metavar="NAME",
    help="The environment variable with the key. By default the provider's own.",
)
@click.option("--store-key", is_flag=True, help="Keep a key that you type in ~/.llms/.env.")
@click.option("--base-url", metavar="URL", help="The URL of an OpenAI-compatible server.")
@click.option("--name", metavar="NAME", help="The provider's name in llms.json, if it is another.")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME",
    help="Offer this model, and test it; repeatable.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="A further member of the block."
)
@click.option("--no-check", is_flag=True, help="Do not ask a model whether it answers.")
@click.option("--yes", "-y", is_flag=True, help="Ask nothing: take the defaults.")
@files
@click.pass_context
def command(
    ctx: click.Context,
    provider: str | None,
    key_env: str | None,
    store_key: bool,
    base_url: str | None,
    name: str | None,
    models: tuple[str, ...],
    settings: tuple[str, ...],
    no_check: bool,
    yes: bool,
    config: Path | None,
    plugins: Path | None,
) -> None:
    """Add a provider to llms.json, or complete the one that is there, and ask one of its models whether it answers.

    What the options do not say is asked. A key is never written to llms.json, only the name of its variable. If the
    variable is not set, you can type the key, which is not shown. For any other server with OpenAI's API, PROVIDER is
    `openai-compatible`; its models are those that it lists. Nothing is written if the test fails, unless you say so.

    \b
      llms add
      llms add groq
      llms add openai-compatible --base-url http://gpu-box:8080/v1 --name gpu --yes
      llms add openai --key-env WORK_OPENAI_KEY --model gpt-4o-mini --yes
    """
    from llms_core.cli.add.flow import Options, add

    options = Options(
        provider=provider,
        key_env=key_env,
        store_key=store_key,
        base_url=base_url,
        name=name,
        models=models,
        settings=settings,
        checks=not no_check,
        asks=not yes,
    )
    add(ctx, options, config, plugins)
