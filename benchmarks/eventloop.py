"""Runs the load generator and the mock provider: as cheaply and as evenly as can be had here."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import TypeVar

Result = TypeVar("Result")


def run(main: Coroutine[None, None, Result]) -> Result:
    """Run `main` on uvloop, or on asyncio where there is none.

    The collector is off: neither process makes cycles, and its pauses would show as the gateway's.
    """
    gc.disable()
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)
