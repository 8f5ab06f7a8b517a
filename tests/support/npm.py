"""Programs and packages of npm, installed once for all worker processes."""

from __future__ import annotations

import os
import re
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
    path = folder_with(folders, package) / "node_modules" / ".bin" / program
    if not path.exists():
        pytest.skip(f"the package {package} has no program {program}")
    return path


def folder_with(folders: pytest.TempPathFactory, *packages: str) -> Path:
    """Return a folder in which scripts can import packages, or skip the test with the reason.

    In CI they have to be there.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    command = [npm, "install", *_OPTIONS, *packages]

    def install(folder: Path) -> None:
        (folder / "package.json").write_text('{"private": true}', "utf-8")
        (folder / "failure.txt").write_text(_run(command, folder), "utf-8")

    folder = once(folders, f"npm-{re.sub(r'[^a-z0-9]+', '-', '-'.join(packages))}", install)
    failure = (folder / "failure.txt").read_text("utf-8")
    if failure:
        reason = f"npm cannot install {', '.join(packages)}: {failure[-300:]}"
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    return folder


def _run(command: list[str], folder: Path) -> str:
    """Run a command; return what it says about a failure, nothing if it succeeded."""
    try:
        finished = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        return f"not within {TIMEOUT} s"
    if finished.returncode == 0:
        return ""
    return finished.stderr or "it failed without a word"
