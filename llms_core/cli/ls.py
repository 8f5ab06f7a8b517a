"""`llms ls`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llms_core.cli.completion import parameters as completing
from llms_core.cli.files import files, table
from llms_core.cli.similar import no_such
from llms_core.cli.terminal import styled

if TYPE_CHECKING:
    from llms_core.candidate import Configured
    from llms_core.config.model import Model, Price


@click.command(short_help="List providers and models.")
@click.argument("providers", nargs=-1, shell_complete=completing.providers)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@files
def command(
    providers: tuple[str, ...], as_json: bool, config: Path | None, plugins: Path | None
) -> None:
    """List providers in the order in which they are tried, with their state and their models.

    For a provider that is not enabled, name it to list its models. Prices are in USD per million tokens.

    \b
      llms ls
      llms ls groq openrouter
      llms ls --json
    """
    from llms_core import startup

    configured = startup.load(config, plugins).configured
    selected = _selected(configured, providers)
    if as_json:
        click.echo(json.dumps([_provider_as_json(item) for item in selected], indent=2))
        return
    for item in selected:
        _print_provider(item, in_full=item.disabled is None or bool(providers))


def _selected(configured: Sequence[Configured], names: Sequence[str]) -> Sequence[Configured]:
    """The providers with these names, or all of them. Raises Failure for a name that does not exist."""
    known = [item.id for item in configured]
    for name in names:
        if name not in known:
            raise no_such("provider", name, known)
    if not names:
        return configured
    return [item for item in configured if item.id in names]


def _print_provider(item: Configured, in_full: bool) -> None:
    heading = f"{item.id}: {styled('enabled', 'green')}"
    if item.disabled is not None:
        heading = f"{item.id}: {styled('not enabled', 'yellow')}: {item.disabled}"
    if item.provider.contributor:
        heading += f"  (of the plugin '{item.provider.contributor}')"
    if item.provider.spec.demo:
        heading += "  (demo model: for trying things out, not for work)"
    click.echo(heading)
    models = item.provider.models
    if in_full and models:
        table([_row(model) for model in models], indent="  ")
    elif models:
        plural = "s" if len(models) > 1 else ""
        click.echo(f"  {len(models)} model{plural}")
    if in_full and item.provider.discover:
        click.echo("  and the models that the provider lists itself, while the gateway runs")


def _row(model: Model) -> tuple[str, str, str]:
    return ", ".join(model.names), model.upstream, _price(model.price)


def _price(price: Price | None) -> str:
    if price is None:
        return ""
    if price.input == price.output == 0:
        return "free"
    return f"${price.input:.10g} in, ${price.output:.10g} out"


def _provider_as_json(item: Configured) -> dict[str, Any]:
    return {
        "id": item.id,
        "type": item.provider.spec.name,
        "enabled": item.disabled is None,
        "reason": item.disabled,
        "demo": item.provider.spec.demo,
        "plugin": item.provider.contributor or None,
        "discover": item.provider.discover,
        "models": [_model_as_json(model) for model in item.provider.models],
    }


def _model_as_json(model: Model) -> dict[str, Any]:
    price = None
    if model.price is not None:
        price = {"input": model.price.input, "output": model.price.output}
    return {
        "name": model.names[0],
        "aliases": model.names[1:],
        "upstream": model.upstream,
        "price": price,
    }
