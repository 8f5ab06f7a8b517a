"""`llms route`."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

import click

from llms_core.cli.files import files
from llms_core.config.model import Provider
from llms_core.errors import RequestError


@click.command(short_help="Show who would be asked for a model, and why.")
@click.argument("model")
@click.option("--explain", is_flag=True, help="Also name each provider that does not have the model.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@files
def command(model: str, explain: bool, as_json: bool, config: Path | None, plugins: Path | None) -> None:
    """Show the candidates for MODEL in the order they are tried, and who is passed over and why.

    Nothing is sent to any provider; a model that only a running gateway discovers is not known here.
    """
    from llms_core import startup
    from llms_core.operations.table import OPERATIONS
    from llms_core.routing.candidates import ModelIndex
    from llms_core.routing.circuit import CircuitBreaker

    found = startup.load(config, plugins)
    catalogue = ModelIndex(found.configured, OPERATIONS, CircuitBreaker())
    names = (model, *found.plugins_toml.routing.fallbacks.get(model, ()))
    candidates = [candidate for name in names for candidate in catalogue.find(name)]
    chosen = {candidate.provider_id for candidate in candidates}
    shown = {item.id for item in found.configured if explain or any(_has(item.provider, name) for name in names)}
    refusals = [refusal for refusal in catalogue.explain(model)[1] if refusal.provider in shown - chosen]
    if as_json:
        rows = [
            {"provider": each.provider_id, "model": each.client_model, "upstream": each.upstream_model}
            for each in candidates
        ]
        reasons = [{"provider": each.provider, "reason": each.reason} for each in refusals]
        click.echo(json.dumps({"model": model, "candidates": rows, "refusals": reasons}, indent=2))
    else:
        for place, each in enumerate(candidates, 1):
            fallback = "" if each.client_model == model else f" (as the fallback {each.client_model})"
            click.echo(f"{place}. {each.provider_id}: {each.upstream_model}{fallback}")
        for refusal in refusals:
            click.echo(f"-  {refusal.provider}: {refusal.reason}")
    if not candidates:
        near = difflib.get_close_matches(model, [candidate.client_model for candidate in catalogue.listed()], n=3)
        click.echo(f"Near it: {', '.join(near)}" if near else "`llms ls` lists what there is.", err=True)
        raise RequestError.model_not_found(model)


def _has(provider: Provider, name: str) -> bool:
    """Whether a provider has a model of that name, enabled or not."""
    names = [known for model in provider.models for known in model.names]
    return name in names or (provider.fold_case and name.lower() in [known.lower() for known in names])
