"""Runs what asks models: an event loop with the gateway's service, without a server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from llms_core import checks, startup
from llms_core.cli import plugin_commands
from llms_core.cli.verbosity import chosen
from llms_core.plugins.admission import UNTRUSTED
from llms_core.server import logs
from llms_core.server.service import Service
from llms_core.server.stderr import open_standard_streams
from llms_core.startup import Startup

T = TypeVar("T")

Run = Callable[[Coroutine[Any, Any, T]], T]
"""Runs a coroutine to its end. Ctrl-C cancels it, and raises KeyboardInterrupt when it has ended."""


def load(ctx: click.Context, config: Path | None, plugins: Path | None) -> Startup:
    """Read both files and load the plugins. Raises ConfigError.

    A plugin that is left out is always reported, because it may be the one that guards.
    """
    configure_log(ctx)
    started = startup.with_plugins(*plugin_commands.load_plugins(ctx, plugins), config)
    checks.check(started)
    for report in started.host.reports:
        if report.state == "quarantined" and report.reason != UNTRUSTED:
            click.echo(f"llms: {report.reason}", err=True)
    return started


def configure_log(ctx: click.Context) -> None:
    """Show errors only, unless the user wants a log: that a provider failed matters if none has answered."""
    open_standard_streams()
    log = chosen(ctx)
    if not log.verbose:
        logs.configure(logging.ERROR, log.logprefix)


@contextmanager
def running(started: Startup) -> Iterator[tuple[Service, Run[Any]]]:
    """Start a service, which is closed at the end of the block, and return it with what runs coroutines."""
    service = Service(started, keeps_records=True)
    ready, ended = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        # A task of its own: plugins may expect that their lifespans begin and end in the same one.
        async with AsyncExitStack() as stack:
            await service.enter(stack)
            ready.set()
            await ended.wait()

    async def wait_ready(holding: asyncio.Task[None]) -> None:
        waiting = asyncio.ensure_future(ready.wait())
        await asyncio.wait([waiting, holding], return_when=asyncio.FIRST_COMPLETED)
        if holding.done():
            waiting.cancel()
            await holding

    async def close(holding: asyncio.Task[None]) -> None:
        ended.set()
        await holding

    with asyncio.Runner() as runner:
        holding = runner.get_loop().create_task(hold())
        runner.run(wait_ready(holding))
        try:
            yield service, runner.run
        finally:
            runner.run(close(holding))
