"""Runs commands as a user types them: in a process of their own, with a home of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pytest


class Ran(Protocol):
    """The result of a command."""

    returncode: int
    stdout: str
    stderr: str


class Run(Protocol):
    """The fixture `llms`."""

    def __call__(self, *arguments: str, env: Mapping[str, str] = ..., stdin: str = ...) -> Ran: ...


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The user's home."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def file(home: Path) -> Path:
    """Where the user's llms.json is, once there is one."""
    folder = home / ".llms"
    folder.mkdir()
    return folder / "llms.json"


@pytest.fixture
def environment(home: Path) -> Mapping[str, str]:
    """The environment of commands."""
    return {**os.environ, "HOME": str(home), "PYTHONUTF8": "1", "COLUMNS": "200"}


@pytest.fixture
def command() -> Sequence[str]:
    """How the command is started."""
    return [sys.executable, "-m", "llms_core"]


@pytest.fixture
def llms(home: Path, environment: Mapping[str, str], command: Sequence[str]) -> Run:
    """Runs a command in the user's home, without a terminal."""

    def run(*arguments: str, env: Mapping[str, str] | None = None, stdin: str = "") -> Ran:
        return subprocess.run(
            [*command, *arguments],
            cwd=home,
            env={**environment, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run
