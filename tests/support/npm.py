"""Programs of npm, installed once for all worker processes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from once import once

#: Seconds that an installation may take.
TIMEOUT = 280

_OPTIONS = ["--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=1"]


def installed(folders: pytest.TempPathFactory, package: str, program: str) -> Path:
    """Return a program of a package, or skip the test with the reason if it cannot be installed.

    `package` may have a version or a tag, as in `name@latest`. In CI it has to be there.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    command = [npm, "install", *_OPTIONS, package]

    def install(folder: Path) -> None:
        (folder / "package.json").write_text('{"private": true}', "utf-8")
        (folder / "failure.txt").write_text(_run(command, folder), "utf-8")

    folder = once(folders, f"npm-{program}", install)
    path = folder / "node_modules" / ".bin" / program
    if not path.exists():
        reason = f"npm cannot install {package}: {(folder / 'failure.txt').read_text('utf-8')[-300:]}"
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    return path


def _run(command: list[str], folder: Path) -> str:
    """Run a command; return what it says about a failure."""
    try:
        finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return f"not within {TIMEOUT} s"
    return finished.stderr
