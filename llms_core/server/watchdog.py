"""Logs which plugin blocks the event loop.

Adapters and hooks run on the event loop: one that never returns stops the whole process, and Python has no safe way to
interrupt it. A thread notices that the loop does not advance and logs where it is. It costs nothing per request.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from types import FrameType

from llms_core.server.gateway import Gateway

log = logging.getLogger(__name__)

BLOCKED_AFTER = 5.0
"""Seconds that the event loop may be blocked before it is logged."""

_MAX_STACK_ENTRIES = 12


class Watchdog:
    """Watches the event loop in whose thread it is created."""

    def __init__(self, gateway: Gateway):
        self._gateway = gateway
        self._loop_thread = threading.get_ident()
        self._last_beat = time.monotonic()
        self._stopped = threading.Event()
        # A daemon thread, which does not keep the process alive if the event loop never returns.
        threading.Thread(target=self._watch, name="llms-watchdog", daemon=True).start()

    async def beat(self) -> None:
        """Show that the loop advances; runs as a task of the loop."""
        while True:
            self._last_beat = time.monotonic()
            await asyncio.sleep(BLOCKED_AFTER / 4)

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()

    def _watch(self) -> None:
        reported_beat = 0.0
        while not self._stopped.wait(BLOCKED_AFTER / 4):
            beat = self._last_beat
            blocked = time.monotonic() - beat
            # Each blockage is logged once, however long it lasts.
            if blocked < BLOCKED_AFTER or beat == reported_beat:
                continue
            # The only way to see another thread's stack.
            frame = sys._current_frames().get(self._loop_thread)
            if frame is not None:
                reported_beat = beat
                stack = "".join(traceback.format_stack(frame)[-_MAX_STACK_ENTRIES:])
                log.error(
                    "%s has blocked the whole gateway for %.1f s:\n%s",
                    self._culprit(frame),
                    blocked,
                    stack,
                )

    def _culprit(self, frame: FrameType | None) -> str:
        """The innermost function of a plugin, with the plugin and its distribution."""
        host = self._gateway.startup.host
        origins = {spec.adapter.__module__: host.origin(spec) for spec in host.specs.values()}
        # An adapter may be defined in another module than its plugin's hooks.
        origins.update(host.modules)
        while frame is not None:
            if origin := origins.get(frame.f_globals.get("__name__", "")):
                return f"{frame.f_code.co_qualname} of {origin}"
            frame = frame.f_back
        return "unknown code"
