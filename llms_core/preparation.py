"""Runs an adapter's `prepare`: once for all who wait for it, and again before its time is over (see `Prepares`)."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

from llms_core.adapter_http import AdapterHttp
from llms_core.adapter_tasks import AdapterTasks, coroutine_failure
from llms_core.errors import ErrorKind, LlmsError, PluginError, ProviderError
from llms_core.provider import Prepares

log = logging.getLogger(__name__)

#: The part of its time after which a preparation is renewed in the background, and the most seconds before the end.
_RENEWED_AFTER = 0.8
_MAX_EARLY = 300.0
#: The part of its time, at the end, in which it is not used any more: a request takes a while, and clocks differ.
_UNUSED = 0.05
_MAX_UNUSED = 10.0
#: Seconds after which a renewal that failed is tried again, while the preparation is still good.
_RENEWAL_PAUSE = 5.0
#: What is taken of a longer time: ten years.
_MAX_SECONDS = 3.2e8

#: Makes the client for one run.
OpenHttp = Callable[[], AbstractContextManager[AdapterHttp]]

#: The result of a run: None, or why it failed.
_Flight = asyncio.Future[BaseException | None]


class Preparation:
    """The preparation of one provider. All times are those of the event loop's clock."""

    def __init__(self, provider_id: str, adapter: Prepares, tasks: AdapterTasks):
        self.adapter = adapter
        #: When a request has to call `ready`: the preparation is to be renewed, or there is none.
        self.due = -math.inf
        #: How many runs have succeeded: it tells one preparation from the next.
        self.number = 0
        self._name = f"`prepare` of {provider_id}"
        self._run_prepare = _accepting_http(adapter.prepare)
        self._tasks = tasks
        self._valid_until = -math.inf
        #: Whether the last run said how long it is good for.
        self._lasts = False
        self._flight: _Flight | None = None

    async def ready(self, open_http: OpenHttp, seconds: float) -> None:
        """Wait until the provider is ready. A run, which others may share, has `seconds`.

        Raises what `prepare` raised: each caller gets an exception of its own.
        """
        flight = self._flight
        if self._valid_until > _now():
            if flight is None:
                self._start(open_http, seconds)
            return
        if flight is None:
            flight = self._start(open_http, seconds)
        # One caller that leaves must not end the run for the others.
        failure = await asyncio.shield(flight)
        if failure is not None:
            raise _copy(failure)

    def rejected(self, number: int) -> bool:
        """Note that the provider did not accept the preparation with this number; return whether to try another.

        Another request may have renewed it in the meantime. One that is made anew for each request is not made again.
        """
        if not self._lasts:
            return False
        if number == self.number:
            self._valid_until = -math.inf
            self.due = -math.inf
        return True

    def _start(self, open_http: OpenHttp, seconds: float) -> _Flight:
        loop = asyncio.get_running_loop()
        flight: _Flight = loop.create_future()
        self._flight = flight
        # Nothing more to start until this has ended.
        self.due = max(self.due, self._valid_until)
        task = self._tasks.start(self._run(open_http, flight), self._name)
        task.add_done_callback(lambda _: self._stopped(flight))
        timer = loop.call_later(seconds, self._too_late, flight, task, seconds)
        flight.add_done_callback(lambda _: timer.cancel())
        return flight

    async def _run(self, open_http: OpenHttp, flight: _Flight) -> None:
        started = _now()
        try:
            with open_http() as http:
                lasts = _seconds(await self._run_prepare(http))
        except BaseException as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            self._end(flight, coroutine_failure(error, "prepare"))
            return
        # If it took too long, nobody waits for it any more, but it is as good as any other.
        self.number += 1
        self._use(started, lasts)
        self._end(flight, None)

    def _use(self, started: float, lasts: float | None) -> None:
        """Use what was made ready. Its time counts from the start: it began at some moment after that."""
        self._lasts = lasts is not None
        if lasts is None:
            self._valid_until = self.due = -math.inf
            return
        self._valid_until = started + lasts - min(_MAX_UNUSED, _UNUSED * lasts)
        self.due = started + max(_RENEWED_AFTER * lasts, lasts - _MAX_EARLY)

    def _stopped(self, flight: _Flight) -> None:
        if not flight.done():
            self._end(flight, ProviderError(ErrorKind.CANCELLED, "The server is stopping"))

    def _too_late(self, flight: _Flight, task: asyncio.Task[None], seconds: float) -> None:
        self._end(
            flight,
            ProviderError(
                ErrorKind.TIMEOUT, f"The provider could not be made ready within {seconds:g} s"
            ),
        )
        self._tasks.stop(task)

    def _end(self, flight: _Flight, failure: BaseException | None) -> None:
        if flight.done():
            return
        self._flight = None
        if failure is not None and self._valid_until > _now():
            reason = failure if isinstance(failure, LlmsError) else type(failure).__name__
            log.warning(
                "%s failed, and is tried again while the last one is still good: %s",
                self._name,
                reason,
            )
            self.due = min(_now() + _RENEWAL_PAUSE, self._valid_until)
        elif failure is not None:
            self.due = -math.inf
        flight.set_result(failure)


class Preparations:
    """The preparations of all providers. They outlive a reload that does not change their adapter."""

    def __init__(self, tasks: AdapterTasks | None = None):
        self._tasks = tasks or AdapterTasks()
        self._known: dict[str, Preparation] = {}

    def of(self, provider_id: str, adapter: object) -> Preparation | None:
        """Return the preparation of a provider's adapter; None if it needs none."""
        if not isinstance(adapter, Prepares):
            return None
        known = self._known.get(provider_id)
        if known is None or known.adapter is not adapter:
            known = Preparation(provider_id, adapter, self._tasks)
            self._known[provider_id] = known
        return known

    def keep_only(self, provider_ids: Iterable[str]) -> None:
        """Forget the preparations of all other providers."""
        wanted = set(provider_ids)
        self._known = {
            name: preparation for name, preparation in self._known.items() if name in wanted
        }


def _now() -> float:
    return asyncio.get_running_loop().time()


def _accepting_http(prepare: Callable[..., Any]) -> Callable[[AdapterHttp], Awaitable[Any]]:
    """Return `prepare` as a function with the client: it may leave it out, and did before there was one."""
    takes_http = _takes_http(prepare)

    async def run(http: AdapterHttp) -> Any:
        made = prepare(http) if takes_http else prepare()
        if not inspect.isawaitable(made):
            raise PluginError(
                f"`prepare` returned a {type(made).__name__}; it has to be an `async def`"
            )
        return await made

    return run


def _takes_http(prepare: Callable[..., Any]) -> bool:
    """Whether `prepare` has a parameter for the client. One of another name with a default is not meant for it."""
    try:
        parameters = inspect.signature(prepare).parameters.values()
    except (TypeError, ValueError):
        return True
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    for parameter in parameters:
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            return True
        if parameter.kind in positional and (
            parameter.name == "http" or parameter.default is parameter.empty
        ):
            return True
    return False


def _seconds(lasts: object) -> float | None:
    """Return for how long a preparation is good; None if only for one request. Raises PluginError."""
    if lasts is None:
        return None
    if not isinstance(lasts, int | float) or isinstance(lasts, bool) or lasts != lasts:
        raise PluginError(
            f"`prepare` returned {lasts!r:.50} in place of a number of seconds, or None"
        )
    # A number from a provider's answer may have any size.
    return min(max(lasts, 0.0), _MAX_SECONDS)


def _copy(error: BaseException) -> BaseException:
    """Return an error for one of those who share it: routing adds to it what happened to each."""
    if not isinstance(error, LlmsError):
        return error
    copy = type(error).__new__(type(error), *error.args)
    vars(copy).update(vars(error))
    return copy
