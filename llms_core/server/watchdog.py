"""A plugin that keeps the event loop to itself is named in the log.

Adapters and hooks run on the event loop: one that never returns stops the whole process, and Python has no safe way to
interrupt it. A thread notices that the loop does not come round any more and says where it is. It costs nothing per
request.
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

PATIENCE = 5.0
"""Seconds that the event loop may be held without a word in the log."""

_STACK = 12


class Watchdog:
    """Watches the event loop that it is made in."""

    def __init__(self, gateway: Gateway):
        self._gateway, self._loop = gateway, threading.get_ident()
        self._beat = time.monotonic()
        self._ended = threading.Event()
        threading.Thread(target=self._watch, name="llms-watchdog", daemon=True).start()

    async def beat(self) -> None:
        """Show that the loop comes round; to be run beside everything else on it."""
        while True:
            self._beat = time.monotonic()
            await asyncio.sleep(PATIENCE / 4)

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()

    def _watch(self) -> None:
        told = 0.0
        while not self._ended.wait(PATIENCE / 4):
            beat = self._beat
            held = time.monotonic() - beat
            frame = sys._current_frames().get(self._loop)
            if held >= PATIENCE and beat != told and frame is not None:
                told = beat
                stack = "".join(traceback.format_stack(frame)[-_STACK:])
                log.error("%s has held the whole gateway for %.1f s:\n%s", self._culprit(frame), held, stack)

    def _culprit(self, frame: FrameType | None) -> str:
        """The innermost function of a plugin's, with the plugin and its distribution."""
        host = self._gateway.startup.host
        origins = {spec.adapter.__module__: host.origin(spec) for spec in host.specs.values()}
        origins.update(host.modules)
        while frame is not None:
            if origin := origins.get(frame.f_globals.get("__name__", "")):
                return f"{frame.f_code.co_qualname} of {origin}"
            frame = frame.f_back
        return "something"
