"""Makes a folder once for all worker processes of a test session."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

#: Seconds that the other workers wait for the one that makes a folder.
TIMEOUT = 300.0
PAUSE = 0.1


def once(folders: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that `make` has filled. Tests must not change it, because all workers share it.

    The first worker that needs it calls `make`; the others wait. Raises AssertionError if it is not ready in time.
    """
    folder = _of_session(folders) / name
    ready = folder / ".ready"
    try:
        folder.mkdir()
    except FileExistsError:
        _wait_for(ready)
        return folder
    make(folder)
    ready.touch()
    return folder


def _of_session(folders: pytest.TempPathFactory) -> Path:
    base = folders.getbasetemp()
    # The folder of a worker of pytest-xdist is in that of the session.
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def _wait_for(ready: Path) -> None:
    for _ in range(int(TIMEOUT / PAUSE)):
        if ready.exists():
            return
        threading.Event().wait(PAUSE)
    raise AssertionError(
        f"no worker has made {ready.parent} within {TIMEOUT} s; one of them may have failed to"
    )
