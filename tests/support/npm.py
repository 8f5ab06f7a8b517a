"""Programs of npm, installed once for all tests of a process."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest


@cache
def installed(package: str, program: str) -> Path:
    """Return a program of a package, or skip the test with the reason if it cannot be installed."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    folder = Path(mkdtemp(prefix="llms-npm-"))
    command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--loglevel=error", package]
    try:
        finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not install {package} within 5 minutes")
    path = folder / "node_modules" / ".bin" / program
    if finished.returncode or not path.exists():
        pytest.skip(f"npm cannot install {package}: {finished.stderr[-300:]}")
    return path
