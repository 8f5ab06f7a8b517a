"""Whether prompts are logged: `llms log off` and `llms log on`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from llms_core.config import places


def is_on(env: Mapping[str, str] = os.environ) -> bool:
    """Whether prompts are logged."""
    return not _marker(env).exists()


def turn(state: str, env: Mapping[str, str] = os.environ) -> None:
    """Switch the log `on` or `off` for all later commands. Raises OSError."""
    marker = _marker(env)
    if state == "on":
        marker.unlink(missing_ok=True)
    else:
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()


def _marker(env: Mapping[str, str]) -> Path:
    """The file that exists while nothing is logged."""
    return places.home(env) / "log-off"
