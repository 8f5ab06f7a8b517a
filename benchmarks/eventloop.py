"""Runs the load generator and the mock provider, as cheaply and evenly as possible."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import TypeVar

Result = TypeVar("Result")


def run(main: Coroutine[None, None, Result]) -> Result:
    """Run `main` on uvloop, or on asyncio if uvloop is not installed.

    The garbage collector is off: neither process creates reference cycles, and the pauses would look like the
    gateway's.
    """
    gc.disable()
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)
