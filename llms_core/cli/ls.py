"""`llms ls`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llms_core.cli.files import files, table
from llms_core.errors import ConfigError

if TYPE_CHECKING:
    from llms_core.candidate import Configured
    from llms_core.config.model import Model, Price


@click.command(short_help="List providers and models.")
@click.argument("providers", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@files
def command(providers: tuple[str, ...], as_json: bool, config: Path | None, plugins: Path | None) -> None:
    """List providers in the order they are tried, each with its state and its models.

    Models of a provider that is not enabled are listed where it is named. Prices are USD per million tokens.
    """
    from llms_core import startup

    configured = startup.load(config, plugins).configured
    chosen = _chosen(configured, providers)
    if as_json:
        click.echo(json.dumps([_as_json(item) for item in chosen], indent=2))
        return
    for item in chosen:
        _show(item, in_full=item.disabled is None or bool(providers))


def _chosen(configured: Sequence[Configured], names: Sequence[str]) -> Sequence[Configured]:
    by_id = {item.id: item for item in configured}
    for name in names:
        if name not in by_id:
            raise ConfigError(f"there is no provider '{name}'", hint=f"there are {', '.join(by_id) or 'none'}")
    return [item for item in configured if item.id in names] if names else configured


def _show(item: Configured, in_full: bool) -> None:
    state = "enabled" if item.disabled is None else f"not enabled: {item.disabled}"
    demo = "  (demo model: for trying things out, not for work)" if item.provider.spec.demo else ""
    click.echo(f"{item.id}: {state}{demo}")
    models = item.provider.models
    if in_full and models:
        table([(", ".join(model.names), model.upstream, _price(model.price)) for model in models], indent="  ")
    elif models:
        click.echo(f"  {len(models)} model{'s' if len(models) > 1 else ''}")
    if in_full and item.provider.discover:
        click.echo("  and the models that it says it has, once the gateway runs")


def _price(price: Price | None) -> str:
    if price is None:
        return ""
    if price.input == price.output == 0:
        return "free"
    return f"${price.input:.10g} in, ${price.output:.10g} out"


def _as_json(item: Configured) -> dict[str, Any]:
    return {
        "id": item.id,
        "type": item.provider.spec.name,
        "enabled": item.disabled is None,
        "reason": item.disabled,
        "demo": item.provider.spec.demo,
        "discover": item.provider.discover,
        "models": [_model_as_json(model) for model in item.provider.models],
    }


def _model_as_json(model: Model) -> dict[str, Any]:
    price = model.price
    return {
        "name": model.names[0],
        "aliases": model.names[1:],
        "upstream": model.upstream,
        "price": None if price is None else {"input": price.input, "output": price.output},
    }
