"""An event loop whose clock jumps ahead instead of waiting.

Limits of minutes are tested to the second, at once, and however slow the machine is.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import Any


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
