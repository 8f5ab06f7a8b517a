"""Cancels a request once its client has disconnected."""

from __future__ import annotations

import asyncio
import math
from enum import Enum, auto
from types import TracebackType

from litestar.types import Receive

from llms_core.deadline import shared_timer

#: Seconds until a client is watched. Most short answers are complete by then, and a task for each of them would cost
#: more than the rest of the request.
_WATCH_AFTER = 0.1


class ClientDisconnected(Exception):
    """The client disconnected before its request was read."""


class ClientState(Enum):
    """What is known about the client of one request."""

    #: Not watched yet.
    ASSUMED_PRESENT = auto()
    WATCHED = auto()
    #: The client disconnected, or has stopped reading.
    GONE = auto()
    #: The answer has been sent completely: a disconnect is not an event any more.
    SERVED = auto()


class DisconnectWatcher:
    """Watches the client of one request, as a context manager around its handling.

    If the client disconnects inside the block, the current task is cancelled; leaving the block suppresses this
    cancellation, and no other. `state` then is GONE. The block may be entered again.
    """

    def __init__(self, receive: Receive):
        self.state = ClientState.ASSUMED_PRESENT
        self.due = math.inf
        self._receive = receive
        self._watching: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        self._task = task
        # The task may have been cancelled before, by a server that stops.
        self._earlier_cancellations = task.cancelling()
        self._timers = shared_timer()
        self._timers.add(self)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self._timers.discard(self)
        if self._watching is not None:
            self._watching.cancel()
        if (
            self.state is ClientState.GONE
            and kind is not None
            and issubclass(kind, asyncio.CancelledError)
        ):
            # Somebody else may have cancelled the task as well, and must be obeyed.
            return self._task.uncancel() <= self._earlier_cancellations
        return False

    def start(self) -> None:
        """Start watching soon. Not before the body has been read, since `receive` is the body's as well."""
        self.due = asyncio.get_running_loop().time() + _WATCH_AFTER
        if self.due < self._timers.next_check:
            self._timers.reschedule(self.due)

    def on_timeout(self) -> None:
        """Watch from now on."""
        self.due = math.inf
        if self.state is ClientState.ASSUMED_PRESENT:
            self.state = ClientState.WATCHED
            self._watching = asyncio.get_running_loop().create_task(self._watch())

    def client_gone(self) -> None:
        """Cancel the request, unless it has been served."""
        if self.state in (ClientState.ASSUMED_PRESENT, ClientState.WATCHED):
            self.state = ClientState.GONE
            self._task.cancel()

    def client_served(self) -> None:
        """Ignore disconnects: after a complete response every ASGI server reports one."""
        if self.state is not ClientState.GONE:
            self.state = ClientState.SERVED

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.client_gone()
