"""Whether prompts are logged: `llms log off` and `llms log on`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from llms_core.config import places


def is_on(env: Mapping[str, str] = os.environ) -> bool:
    """Whether prompts are logged."""
    return not _marker(env).exists()


def turn(state: str, env: Mapping[str, str] = os.environ) -> str:
    """Switch the log `on` or `off` for all later commands, and return what that means. Raises OSError."""
    marker = _marker(env)
    if state == "on":
        marker.unlink(missing_ok=True)
        return "the log is on: prompts and their answers are logged"
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    return "the log is off: nothing is logged until `llms log on`, and earlier conversations stay"


def _marker(env: Mapping[str, str]) -> Path:
    """The file that exists while nothing is logged."""
    return places.home(env) / "log-off"
