"""`llms route`."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llms_core.cli.files import files
from llms_core.config.model import Provider
from llms_core.errors import RequestError

if TYPE_CHECKING:
    from llms_core.routing.candidates import Candidate, Refusal


@click.command(short_help="Show which providers would serve a model, and why.")
@click.argument("model")
@click.option("--explain", is_flag=True, help="Also list the providers that do not have the model.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@files
def command(model: str, explain: bool, as_json: bool, config: Path | None, plugins: Path | None) -> None:
    """Show the candidates for MODEL in the order they are tried, and why other providers are skipped.

    Nothing is sent to any provider, so models that only a running gateway discovers are not included.
    """
    from llms_core import startup
    from llms_core.routing.candidates import Catalogue

    found = startup.load(config, plugins)
    catalogue = Catalogue(found.configured)
    names = (model, *found.plugins_toml.routing.fallbacks.get(model, ()))
    candidates = [candidate for name in names for candidate in catalogue.find(name)]
    chosen = {candidate.provider.id for candidate in candidates}
    relevant = {item.id for item in found.configured if explain or _has_any(item.provider, names)}
    refusals = [refusal for refusal in catalogue.explain(model)[1] if refusal.provider in relevant - chosen]
    if as_json:
        click.echo(json.dumps(_as_json(model, candidates, refusals), indent=2))
    else:
        _show(model, candidates, refusals)
    if not candidates:
        known = [candidate.name for candidate in catalogue.listed()]
        _suggest(model, known)
        raise RequestError.model_not_found(model)


def _show(model: str, candidates: Sequence[Candidate], refusals: Sequence[Refusal]) -> None:
    for place, candidate in enumerate(candidates, 1):
        fallback = "" if candidate.name == model else f" (as the fallback {candidate.name})"
        click.echo(f"{place}. {candidate.provider.id}: {candidate.model.upstream}{fallback}")
    for refusal in refusals:
        click.echo(f"-  {refusal.provider}: {refusal.reason}")


def _as_json(model: str, candidates: Sequence[Candidate], refusals: Sequence[Refusal]) -> dict[str, Any]:
    rows = []
    for candidate in candidates:
        row = {"provider": candidate.provider.id, "model": candidate.name, "upstream": candidate.model.upstream}
        rows.append(row)
    reasons = [{"provider": refusal.provider, "reason": refusal.reason} for refusal in refusals]
    return {"model": model, "candidates": rows, "refusals": reasons}


def _suggest(model: str, known: Sequence[str]) -> None:
    similar = difflib.get_close_matches(model, known, n=3)
    if similar:
        click.echo(f"Similar models: {', '.join(similar)}", err=True)
    else:
        click.echo("`llms ls` lists the models.", err=True)


def _has_any(provider: Provider, names: Sequence[str]) -> bool:
    return any(_has(provider, name) for name in names)


def _has(provider: Provider, name: str) -> bool:
    """Whether a provider, enabled or not, has a model of that name."""
    known = [model_name for model in provider.models for model_name in model.names]
    if name in known:
        return True
    return provider.fold_case and name.lower() in [model_name.lower() for model_name in known]
