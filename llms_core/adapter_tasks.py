"""The tasks in which coroutines of adapters run, which cannot be trusted to end when they are cancelled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from llms_core.errors import ErrorKind, LlmsError, PluginError, ProviderError

log = logging.getLogger(__name__)

CLEANUP_SECONDS = 5.0
"""How long a coroutine may go on after it was cancelled: for its `finally`."""


class AdapterTasks:
    """Starts and stops tasks. All that still run at the end are stopped by `aclose`."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def start(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a coroutine. It has to handle its own failure; `name` is for the log."""
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def stop(self, task: asyncio.Task[None]) -> None:
        """Cancel a task, and end it by force if it goes on for too long. Does not wait for either."""
        if task.done():
            return
        task.cancel()
        timer = asyncio.get_running_loop().call_later(CLEANUP_SECONDS, _end_by_force, task)
        task.add_done_callback(lambda _: timer.cancel())

    async def aclose(self) -> None:
        """Stop all tasks, and wait until they have ended."""
        for task in self._running:
            self.stop(task)
        if self._running:
            # A little longer than it takes to end them by force.
            await asyncio.wait(self._running, timeout=CLEANUP_SECONDS + 1.0)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error(
                "%s failed after it was stopped: %s",
                task.get_name(),
                type(error).__name__,
                exc_info=error,
            )


def coroutine_failure(error: BaseException, what: str) -> BaseException:
    """Return the error for what ended a coroutine of an adapter, which nobody has cancelled. `what` names the method.

    Of a group of errors, as a TaskGroup raises it, the provider's counts. What would end the task, the event loop or
    the server is an error like any other. Raises KeyboardInterrupt.
    """
    if isinstance(error, KeyboardInterrupt):
        raise error
    if isinstance(error, BaseExceptionGroup):
        found: BaseException | None = error.subgroup(LlmsError)
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        return found or PluginError(
            f"`{what}` raised a group of {type(error.exceptions[0]).__name__}"
        )
    if isinstance(error, TimeoutError):
        # Raised by the adapter's own `asyncio.timeout`.
        return ProviderError(ErrorKind.TIMEOUT, f"The provider did not answer in time (`{what}`)")
    if isinstance(error, Exception):
        return error
    if isinstance(error, asyncio.CancelledError):
        return PluginError(f"`{what}` cancelled itself")
    return PluginError(f"`{what}` raised {type(error).__name__}: {error}")


def _end_by_force(task: asyncio.Task[None]) -> None:
    """End a task whose coroutine ignores its cancellation."""
    if task.done():
        return
    log.error(
        "%s has not ended within %g s after it was cancelled", task.get_name(), CLEANUP_SECONDS
    )
    # The coroutine cannot ignore this as it can a cancellation: it may not wait for anything any more.
    with suppress(RuntimeError):
        task.get_coro().close()
    task.cancel()
