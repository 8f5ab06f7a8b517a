"""Gives memory that is free but still belongs to this process back to the system."""

from __future__ import annotations

import ctypes
from collections.abc import Callable


def _find_trim() -> Callable[[int], object] | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None  # only glibc has it, and only glibc needs it


_trim = _find_trim()


def release_free_memory() -> None:
    """Let glibc release what it keeps for later: free memory between two blocks that are in use.

    Takes some milliseconds, so it is for moments after which much less is needed than before.
    """
    if _trim is not None:
        _trim(0)
