"""Programs and packages of npm, installed once for all tests of a process."""

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
    path = folder_with(package) / "node_modules" / ".bin" / program
    if not path.exists():
        pytest.skip(f"the package {package} has no program {program}")
    return path


@cache
def folder_with(*packages: str) -> Path:
    """Return a folder in which scripts can import packages, or skip the test with the reason."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    folder = Path(mkdtemp(prefix="llms-npm-"))
    command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--loglevel=error", *packages]
    try:
        finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not install {', '.join(packages)} within 5 minutes")
    if finished.returncode:
        pytest.skip(f"npm cannot install {', '.join(packages)}: {finished.stderr[-300:]}")
    return folder
