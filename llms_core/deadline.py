"""Timeouts that cost next to nothing.

`asyncio.timeout` creates and cancels a timer at each use. For every chunk of every stream, that takes longer than the
chunk itself. Here, all timeouts of an event loop share one timer: it fires when the first of them may be due, and then
checks them all. Measured for one `with` block: 4.8 µs, and 18 µs with `asyncio.timeout`.

`Deadline` is on the path of every chunk. Change it only with a measurement.
"""

from __future__ import annotations

import asyncio
import math
from types import TracebackType
from typing import Protocol, Self

TICK = 0.05
"""Seconds between two checks, and so the longest time by which a timeout can be late."""


class Timer(Protocol):
    """Something that is to be called at a time."""

    #: on the event loop's clock; math.inf if it is not running
    due: float

    def on_timeout(self) -> None:
        """Called once `due` has passed. Must set `due` to a later time, or it is called again at the next tick."""


class SharedTimer:
    """The timer that all Timers of one event loop share."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self.loop = loop
        #: when the timers are checked next; call `reschedule` for a timer that is due earlier
        self.next_check = math.inf
        self._last_check = -math.inf
        self._handle: asyncio.TimerHandle | None = None
        self._timers: set[Timer] = set()
        # Bound methods, because every request adds and removes timers.
        self.add = self._timers.add
        self.discard = self._timers.discard

    def reschedule(self, when: float) -> None:
        """Check the timers at `when` instead of later."""
        if self._handle is not None:
            self._handle.cancel()
        self.next_check = max(when, self._last_check + TICK)
        self._handle = self.loop.call_at(self.next_check, self._check)

    def _check(self) -> None:
        now = self.loop.time()
        self._last_check = now
        self.next_check = math.inf
        self._handle = None
        # A copy, because a timer may add or remove others.
        due = [timer for timer in self._timers if timer.due <= now]
        for timer in due:
            timer.on_timeout()
        first = min((timer.due for timer in self._timers), default=math.inf)
        # A timer that was started in the meantime may have rescheduled the check already.
        if first < self.next_check:
            self.reschedule(first)


_latest: SharedTimer | None = None


def shared_timer() -> SharedTimer:
    """Return the timer of the running event loop."""
    global _latest
    loop = asyncio.get_running_loop()
    timer = _latest
    if timer is None or timer.loop is not loop:
        timer = SharedTimer(loop)
        _latest = timer
    return timer


class Deadline:
    """A timeout for the awaits of one task, which can be used any number of times. Must be closed in the end.

    with deadline.at(when):  # on the event loop's clock
        ...  # cancelled at `when`, and then TimeoutError is raised
    """

    __slots__ = ("_cancelling", "_shared_timer", "_task", "_timed_out", "_when", "due")

    def __init__(self) -> None:
        self.due = math.inf
        self._when = math.inf
        self._timed_out = False
        self._task: asyncio.Task[object] | None = None
        self._shared_timer = shared_timer()
        self._shared_timer.add(self)

    def at(self, when: float) -> Self:
        """Set the time limit of the block that is about to begin."""
        self._when = when
        return self

    def close(self) -> None:
        """Remove the deadline from the shared timer."""
        self._shared_timer.discard(self)

    def on_timeout(self) -> None:
        """Cancel the task; `__exit__` turns that into a TimeoutError."""
        self.due = math.inf
        self._timed_out = True
        assert self._task is not None  # noqa: S101 - `due` is finite only inside a block
        self._task.cancel()

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine always runs in a task
        self._task = task
        self._cancelling = task.cancelling()
        when = self._when
        self.due = when
        if when < self._shared_timer.next_check:
            self._shared_timer.reschedule(when)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.due = math.inf
        if self._timed_out and self._task is not None:
            self._timed_out = False
            # If somebody else has cancelled the task as well, the cancellation must go on (as in asyncio.Timeout).
            if self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
                raise TimeoutError from error
