"""Runs checks side by side, and prints each result when it is there."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack

import click
import msgspec

from llms_core.candidate import Configured
from llms_core.cli.check.probe import Problem, Result, Target, all_chat_models, chat_models, has_model, probe
from llms_core.cli.similar import no_such
from llms_core.cli.terminal import printable, styled
from llms_core.cli.user_error import RequestFailed
from llms_core.server.service import Service
from llms_core.startup import Startup

_ALL = "all"


def run(
    startup: Startup,
    provider: str | None,
    models: Sequence[str],
    *,
    as_json: bool,
    timeout: float,
    parallel: int,
) -> bool:
    """Check the models, and return whether all of them answered. Raises UnknownName, and RequestFailed for none."""
    chosen = _chosen(startup, provider)
    return asyncio.run(_run(startup, chosen, provider is None, models, as_json, timeout, parallel))


def _chosen(startup: Startup, provider: str | None) -> Sequence[Configured]:
    if provider is None:
        enabled = [item for item in startup.configured if item.disabled is None]
        if not enabled:
            raise RequestFailed("no provider is enabled; `llms ls` lists the reasons")
        return enabled
    for item in startup.configured:
        if item.id == provider:
            return [item]
    raise no_such("provider", provider, [item.id for item in startup.configured])


async def _run(
    startup: Startup,
    chosen: Sequence[Configured],
    is_overview: bool,
    models: Sequence[str],
    as_json: bool,
    timeout: float,
    parallel: int,
) -> bool:
    service = Service(startup, keeps_records=True)
    async with AsyncExitStack() as stack:
        await service.enter(stack)
        asked = msgspec.structs.replace(startup, configured=chosen)
        await _discover(service, asked, models)
        targets = []
        for item in chosen:
            targets += _targets(service, item, models, is_overview)
        report = Report(len(targets), as_json)
        limit = asyncio.Semaphore(parallel)

        async def check(target: Target) -> Result:
            async with limit:
                result = await probe(service, target, timeout)
            report.add(result)
            return result

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(check(target)) for target in targets]
    results = [task.result() for task in tasks]
    report.finish(results)
    return all(result.ok for result in results)
