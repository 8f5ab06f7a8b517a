"""The gateway and the client of the server's tests, and a reader of metrics."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

import pytest

from tests.core.server.conftest import asking, plugin

__all__ = ["asking", "plugin"]

Promtool = Callable[..., str]


@pytest.fixture
def promtool() -> Promtool:
    """Runs Prometheus' own checks, which have to succeed, and returns what they say."""
    path = shutil.which("promtool")
    if path is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")

    def run(*arguments: str, text: bytes = b"") -> str:
        done = subprocess.run(
            [path, *arguments], input=text, capture_output=True, timeout=60, check=False
        )
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == 0, said
        return said

    return run
