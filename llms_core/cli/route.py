"""`llms route`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llms_core.cli.completion import parameters as completing
from llms_core.cli.files import files
from llms_core.cli.user_error import Failure
from llms_core.errors import ConfigError, RequestError

if TYPE_CHECKING:
    from llms_core.candidate import Candidate, Refusal
    from llms_core.cli.route_plugins import Chosen
    from llms_core.operations import Operation


@click.command(short_help="Show which providers would be tried for a model, and why.")
@click.argument("model", shell_complete=completing.models)
@click.option(
    "--operation", default="chat", show_default=True, help="The operation: chat, embeddings, …"
)
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

    No request is sent to any provider. Those that list their models themselves (`all_models`) are named, as they may
    have the model, too.

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
    fallbacks = (
        () if wanted.same_model_only else found.plugins_toml.routing.fallbacks.get(model, ())
    )
    names = (model, *fallbacks)
    having: list[Candidate] = []
    for name in names:
        having.extend(index.find(name))
    candidates, unable = index.for_operation(having, wanted)

    # A provider that has a candidate is not skipped, even if it is skipped for another of the names.
    hidden = {candidate.provider_id for candidate in candidates}
    if not explain:
        hidden.update(
            item.id for item in found.configured if not models.has_any(item.provider, names)
        )
    # What they list is not known here, so they are not said to lack the model.
    unlisted = models.unlisted(found.configured, model)
    hidden.update(unlisted)
    refusals = [
        refusal for refusal in (*unable, *index.explain(model)[1]) if refusal.provider not in hidden
    ]

    left = route_plugins.Chosen(candidates, ())
    if candidates and operation == "chat":
        left = route_plugins.chosen(found.host, model, candidates, caller)
    around = route_plugins.around(found.host)
    if as_json:
        _print_json(model, left, refusals, unlisted, around)
    else:
        _print_text(model, left, refusals, unlisted, around)
    if left.refusal is not None:
        raise left.refusal
    if not candidates and having:
        raise cannot_serve(model, unable)
    if not candidates and unlisted:
        ask = f"`llms check {unlisted[0]} {model}` asks it"
        raise Failure(
            f"llms.json has no model '{model}', but {' or '.join(unlisted)} may have it ({ask})"
        )
    if not candidates:
        raise Failure(f"{RequestError.model_not_found(model)}\n{models.suggestion(index, model)}")


def _operation(operations: Sequence[Operation[Any, Any]], name: str) -> Operation[Any, Any]:
    """Return the operation of this name. Raises ConfigError if there is none."""
    for operation in operations:
        if operation.name == name:
            return operation
    known = ", ".join(each.name for each in operations)
    raise ConfigError(f"unknown operation '{name}'", hint=f"known: {known}")


def _print_json(
    model: str,
    left: Chosen,
    refusals: Sequence[Refusal],
    unlisted: Sequence[str],
    around: Sequence[str],
) -> None:
    rows = []
    for candidate in left.candidates:
        row = {
            "provider": candidate.provider_id,
            "model": candidate.client_model,
            "upstream": candidate.upstream_model,
        }
        rows.append(row)
    reasons = [{"provider": refusal.provider, "reason": refusal.reason} for refusal in refusals]
    found = {
        "model": model,
        "candidates": rows,
        "refusals": reasons,
        "may_have_it": list(unlisted),
        "plugins": list(left.effects),
        "middleware": list(around),
    }
    click.echo(json.dumps(found, indent=2))


def _print_text(
    model: str,
    left: Chosen,
    refusals: Sequence[Refusal],
    unlisted: Sequence[str],
    around: Sequence[str],
) -> None:
    for place, candidate in enumerate(left.candidates, 1):
        line = f"{place}. {candidate.provider_id}: {candidate.upstream_model}"
        if candidate.client_model != model:
            line += f" (as the fallback {candidate.client_model})"
        click.echo(line)
    for refusal in refusals:
        click.echo(f"-  {refusal.provider}: {refusal.reason}")
    for provider in unlisted:
        click.echo(
            f"?  {provider}: may have the model: it lists its models itself (all_models), and is not asked here"
        )
    for effect in left.effects:
        click.echo(f"*  {effect}")
    if around:
        click.echo(f"*  around every request: {', '.join(around)}")
