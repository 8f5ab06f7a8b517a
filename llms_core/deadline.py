"""Time limits that cost next to nothing.

`asyncio.timeout` makes and cancels a timer at each use, which at every chunk of every stream is dearer than the chunk.
Here one timer serves all limits of an event loop: it rings when the first may have passed, and then looks at each.
"""

from __future__ import annotations

import asyncio
import math
from types import TracebackType
from typing import Protocol, Self

TICK = 0.05
"""Seconds between two looks, and so the most by which a limit may be late."""


class Timer(Protocol):
    """What is to on_timeout once the event loop's clock has reached `due`; it has to set `due` anew then."""

    due: float

    def on_timeout(self) -> None:
        """Its time has come."""


class SharedTimer:
    """One event loop's. `next` is when it looks next; who is due before that has to `reschedule` it."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self.loop, self.next = loop, math.inf
        self._last = -math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._watched: set[Timer] = set()
        self.add, self.discard = self._watched.add, self._watched.discard

    def reschedule(self, when: float) -> None:
        """Look at `when` already."""
        if self._timer is not None:
            self._timer.cancel()
        self.next = max(when, self._last + TICK)
        self._timer = self.loop.call_at(self.next, self._look)

    def _look(self) -> None:
        now = self._last = self.loop.time()
        self.next, self._timer = math.inf, None
        for what in [each for each in self._watched if each.due <= now]:
            what.on_timeout()
        first = min((each.due for each in self._watched), default=math.inf)
        if first < self.next:
            self.reschedule(first)


_latest: SharedTimer | None = None


def shared_timer() -> SharedTimer:
    """The running event loop's."""
    global _latest
    loop = asyncio.get_running_loop()
    found = _latest
    if found is None or found.loop is not loop:
        found = _latest = SharedTimer(loop)
    return found


class Deadline:
    """A limit for what one task waits for, used again and again; to be closed in the end.

    with deadline.at(when):  # on the event loop's clock
        ...  # cancelled where `when` comes first, and TimeoutError raised
    """

    __slots__ = ("_cancelling", "_limit", "_passed", "_task", "_timers", "due")

    def __init__(self) -> None:
        self.due = self._limit = math.inf
        self._passed = False
        self._task: asyncio.Task[object] | None = None
        self._timers = shared_timer()
        self._timers.add(self)

    def at(self, when: float) -> Self:
        """The limit of the block that is about to begin."""
        self._limit = when
        return self

    def close(self) -> None:
        """Look at it no more."""
        self._timers.discard(self)

    def on_timeout(self) -> None:
        """Cancel the task."""
        self.due, self._passed = math.inf, True
        assert self._task is not None  # noqa: S101 - there is one inside of the block
        self._task.cancel()

    def __enter__(self) -> None:
        task = self._task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        self._cancelling = task.cancelling()
        self.due = self._limit
        if self.due < self._timers.next:
            self._timers.reschedule(self.due)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.due = math.inf
        if self._passed and self._task is not None:
            self._passed = False
            # Whoever else cancelled the task in the meantime is to be heard.
            if self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
                raise TimeoutError from error
