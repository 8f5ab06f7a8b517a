"""Event loops whose time the tests control, so that none depends on how fast the machine is.

`Clock` is for code that never leaves the process: it jumps ahead instead of waiting, so that limits of minutes are
tested to the second and at once. `SkippingLoop` is for code that talks to a server: time passes as usual until a test
skips some of it.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from typing import Any

#: Turns of the loop after which what has arrived on a connection has reached the code that waits for it.
TURNS = 20


class Instant(selectors.SelectSelector):
    """Adds each wait to its own clock and returns at once."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "nothing will ever happen"
        self.now += timeout
        return super().select(0)


class Clock(asyncio.SelectorEventLoop):
    """The event loop; give it to `asyncio.Runner` as `loop_factory`."""

    def __init__(self) -> None:
        self._instant = Instant()
        super().__init__(self._instant)

    def time(self) -> float:
        return self._instant.now


class SkippingLoop(asyncio.SelectorEventLoop):
    """An event loop for `skip_time`; give it to `asyncio.Runner` as `loop_factory`."""

    skipped = 0.0

    def time(self) -> float:
        return super().time() + self.skipped


async def skip_time(seconds: float) -> None:
    """Let the clock of the running `SkippingLoop` jump once the loop has processed what has already arrived."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SkippingLoop)
    for _ in range(TURNS):
        await asyncio.sleep(0)
    loop.skipped += seconds


class Reached(threading.Event):
    """In a `Wait` it does not wait: it signals to the test that everything before it has been sent."""

    def __init__(self) -> None:
        super().__init__()
        self._signal = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.set()
        self._signal.set()
        return True

    def wait_until_reached(self, timeout: float = 20.0) -> None:
        """Wait until the server has come to this place. Raises AssertionError if it does not in time."""
        assert self._signal.wait(timeout), f"the server did not get there within {timeout} s"
