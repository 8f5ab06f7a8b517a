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
    # Slow to import, so not for `llms --help`.
    from llms_core import startup
    from llms_core.routing.candidates import Catalogue

    found = startup.load(config, plugins)
    catalogue = Catalogue(found.configured)
    names = (model, *found.plugins_toml.routing.fallbacks.get(model, ()))
    candidates: list[Candidate] = []
    for name in names:
        candidates += catalogue.find(name)
    # A provider that only a fallback uses is a candidate, although it does not have the model itself.
    hidden = {candidate.provider.id for candidate in candidates}
    if not explain:
        hidden |= {item.id for item in found.configured if not _has_any(item.provider, names)}
    _, refusals = catalogue.explain(model)
    shown = [refusal for refusal in refusals if refusal.provider not in hidden]
    if as_json:
        click.echo(json.dumps(_as_json(model, candidates, shown), indent=2))
    else:
        _show(model, candidates, shown)
    if not candidates:
        _suggest(model, [candidate.name for candidate in catalogue.listed()])
        raise RequestError.model_not_found(model)


def _show(model: str, candidates: Sequence[Candidate], refusals: Sequence[Refusal]) -> None:
    for place, candidate in enumerate(candidates, 1):
        fallback = "" if candidate.name == model else f" (as the fallback {candidate.name})"
        click.echo(f"{place}. {candidate.provider.id}: {candidate.model.upstream}{fallback}")
    for refusal in refusals:
        click.echo(f"-  {refusal.provider}: {refusal.reason}")


def _as_json(model: str, candidates: Sequence[Candidate], refusals: Sequence[Refusal]) -> dict[str, Any]:
    rows = [_candidate_as_json(candidate) for candidate in candidates]
    reasons = [{"provider": refusal.provider, "reason": refusal.reason} for refusal in refusals]
    return {"model": model, "candidates": rows, "refusals": reasons}


def _candidate_as_json(candidate: Candidate) -> dict[str, str]:
    return {"provider": candidate.provider.id, "model": candidate.name, "upstream": candidate.model.upstream}


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
    for model in provider.models:
        if name in model.names:
            return True
        # Version 3 of llms.json compares the names of models without regard to case (L-20).
        if provider.fold_case and name.lower() in map(str.lower, model.names):
            return True
    return False
