"""Runs checks side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from llms_core.cli import session
from llms_core.cli.check import report, targets
from llms_core.cli.check.probe import Result, probe
from llms_core.cli.check.targets import Target
from llms_core.server.service import Service
from llms_core.startup import Startup


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What is checked, and how."""

    #: None for one model of each enabled provider
    provider: str | None
    #: names of its models, or `all`; those in llms.json by default
    models: Sequence[str]
    as_json: bool
    #: seconds that a model has to answer
    timeout: float
    #: the number of requests at the same time
    parallel: int


def check(startup: Startup, options: Options) -> bool:
    """Check, print the results, and return whether all models answered. Raises Failure."""
    with session.running(startup) as (service, run):
        results: list[Result] = run(_check(service, options))
    return all(result.ok for result in results)


async def _check(service: Service, options: Options) -> list[Result]:
    found = await targets.find(service, options.provider, options.models)
    names = [report.name_of(target.item.id, target.model) for target in found]
    printer = report.Json() if options.as_json else report.Lines(names)
    limit = asyncio.Semaphore(options.parallel)

    async def run(target: Target) -> Result:
        async with limit:
            result = await probe(service, target, options.timeout)
        printer.add(result)
        return result

    try:
        # If one is cancelled, such as by Ctrl-C, all are.
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(run(target)) for target in found]
    except BaseException:
        printer.stop()
        raise
    results = [task.result() for task in running]
    printer.finish(results)
    return results
