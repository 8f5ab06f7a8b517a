"""Asks the provider that is to be added: for its models, and whether one answers."""

from __future__ import annotations

from collections.abc import Sequence

from llms_core.candidate import Configured
from llms_core.cli import session
from llms_core.cli.check import targets
from llms_core.cli.check.probe import Result, probe
from llms_core.config.model import Model
from llms_core.server.service import Service
from llms_core.startup import Startup

_TIMEOUT = 60.0
"""Seconds that a model has to answer."""


def list_models(found: Startup, item: Configured) -> Sequence[Model] | str:
    """Return the models that a provider lists, or why it does not."""
    with session.running(found) as (service, run):
        listed = run(service.discover_models([item])).get(item.id)
    result: Sequence[Model] | str = listed or "it lists none"
    return result


def check(found: Startup, id: str, models: Sequence[str]) -> list[Result]:
    """Ask these models of a provider, or its first one. Raises Failure for one that it does not have."""
    with session.running(found) as (service, run):
        results: list[Result] = run(_check(service, id, models))
    return results


async def _check(service: Service, id: str, models: Sequence[str]) -> list[Result]:
    found = await targets.find(service, id, models)
    if not models:
        found = found[:1]
    return [await probe(service, target, _TIMEOUT) for target in found]
