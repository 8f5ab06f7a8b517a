"""`llms route`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llms_core.cli.completion import parameters as completing
from llms_core.cli.files import files
from llms_core.errors import ConfigError

if TYPE_CHECKING:
    from llms_core.candidate import Refusal
    from llms_core.cli.route_plugins import Chosen
    from llms_core.config.model import Provider
    from llms_core.operations import Operation


@click.command(short_help="Show which providers would be tried for a model, and why.")
@click.argument("model", shell_complete=completing.models)
@click.option("--operation", default="chat", show_default=True, help="The operation: chat, embeddings, …")
@click.option("--caller", help="The name of a caller, for plugins that treat callers differently.")
@click.option("--explain", is_flag=True, help="Also list the providers that do not have the model.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@files
def command(
    model: str,
    operation: str,
    caller: str | None,
    explain: bool,
    as_json: bool,
    config: Path | None,
    plugins: Path | None,
) -> None:
    """Show the candidates for MODEL in the order in which they are tried, and why others are skipped.

    Plugins choose among them as they would for a short chat without tools; for other operations they are not asked.

    No request is sent to any provider. Models that only a running gateway discovers are not known here.

    \b
      llms route kimi-k2
      llms route kimi-k2 --explain
      llms route all-minilm-l6-v2 --operation embeddings
    """
    from llms_core import startup
    from llms_core.cli import models, route_plugins
    from llms_core.operations.table import OPERATIONS
    from llms_core.routing.candidates import ModelIndex, cannot_serve
    from llms_core.routing.circuit import CircuitBreaker

    found = startup.load(config, plugins)
    operations = (*OPERATIONS, *found.host.operations(OPERATIONS))
    wanted = _operation(operations, operation)
    index = ModelIndex(found.configured, operations, CircuitBreaker())
    fallbacks = () if wanted.same_model_only else found.plugins_toml.routing.fallbacks.get(model, ())
    names = (model, *fallbacks)
    having = [candidate for name in names for candidate in index.find(name)]
    candidates, unable = index.for_operation(having, wanted)

    # A provider that has a candidate is not skipped, even if it is skipped for another of the names.
    hidden = {candidate.provider_id for candidate in candidates}
    if not explain:
        hidden.update(item.id for item in found.configured if not _has_any(item.provider, names))
    refusals = [refusal for refusal in (*unable, *index.explain(model)[1]) if refusal.provider not in hidden]

    left = route_plugins.Chosen(candidates, ())
    if candidates and operation == "chat":
        left = route_plugins.chosen(found.host, model, candidates, caller)
    around = route_plugins.around(found.host)
    if as_json:
        _print_json(model, left, refusals, around)
    else:
        _print_text(model, left, refusals, around)
    if left.refusal is not None:
        raise left.refusal
    if not candidates and having:
        raise cannot_serve(model, unable)
    if not candidates:
        click.echo(models.WHERE_TO_LOOK, err=True)
        raise index.not_found(model)


def _operation(operations: Sequence[Operation[Any, Any]], name: str) -> Operation[Any, Any]:
    """Return the operation of this name. Raises ConfigError if there is none."""
    for operation in operations:
        if operation.name == name:
            return operation
    known = ", ".join(each.name for each in operations)
    raise ConfigError(f"unknown operation '{name}'", hint=f"known: {known}")


def _print_json(model: str, left: Chosen, refusals: Sequence[Refusal], around: Sequence[str]) -> None:
    rows = []
    for candidate in left.candidates:
        row = {
            "provider": candidate.provider_id,
            "model": candidate.client_model,
            "upstream": candidate.upstream_model,
        }
        rows.append(row)
    reasons = [{"provider": refusal.provider, "reason": refusal.reason} for refusal in refusals]
    found = {"model": model, "candidates": rows, "refusals": reasons, "plugins": list(left.effects)}
    click.echo(json.dumps({**found, "middleware": list(around)}, indent=2))


def _print_text(model: str, left: Chosen, refusals: Sequence[Refusal], around: Sequence[str]) -> None:
    for place, candidate in enumerate(left.candidates, 1):
        line = f"{place}. {candidate.provider_id}: {candidate.upstream_model}"
        if candidate.client_model != model:
            line += f" (as the fallback {candidate.client_model})"
        click.echo(line)
    for refusal in refusals:
        click.echo(f"-  {refusal.provider}: {refusal.reason}")
    for effect in left.effects:
        click.echo(f"*  {effect}")
    if around:
        click.echo(f"*  around every request: {', '.join(around)}")


def _has_any(provider: Provider, names: Sequence[str]) -> bool:
    """Whether a provider, enabled or not, has one of the models."""
    known = {name for model in provider.models for name in model.names}
    if not provider.fold_case:
        return not known.isdisjoint(names)
    folded = {name.lower() for name in known}
    return not folded.isdisjoint(name.lower() for name in names)
