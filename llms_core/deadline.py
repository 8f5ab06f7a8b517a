"""A time limit that costs next to nothing to set again.

`asyncio.timeout` makes a timer at each use and cancels it; at every chunk of every stream that is dearer than the chunk.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class Deadline:
    """A limit for what one task waits for, used again and again; to be closed in the end.

        with deadline.at(when):  # seconds of the event loop's clock
            ...  # where `when` comes first, this is cancelled, and TimeoutError raised

    One timer serves all uses: where it rings before the limit of that moment, it is set anew.
    """

    __slots__ = ("_cancelling", "_limit", "_loop", "_passed", "_rings", "_task", "_timer")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit = self._rings = 0.0
        self._cancelling = 0
        self._passed = False
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def at(self, when: float) -> Self:
        """The limit of the block that is about to begin."""
        self._limit = when
        return self

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        self._task, self._cancelling = task, task.cancelling()
        if self._timer is None or self._limit < self._rings:
            self.close()
            self._set()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if self._passed and task is not None:
            self._passed = False
            # Whoever else cancelled the task in the meantime is to be heard.
            if task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
                raise TimeoutError from error

    def _set(self) -> None:
        self._rings = self._limit
        self._timer = self._loop.call_at(self._limit, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._task is None:
            return
        if self._loop.time() < self._limit:
            self._set()
        elif not self._passed:
            self._passed = True
            self._task.cancel()
