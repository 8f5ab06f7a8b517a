"""The conformance suite with pytest-xdist: tests in several processes, and one result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TESTS = """
from llms_core.testing.conformance import Translation

class TestGroq(Translation):
    provider = "groq"
"""


def run(folder: Path, *arguments: str) -> tuple[Any, str]:
    """Return the JSON result and the output of pytest for `TESTS`, the tests of one group."""
    result = folder / "conformance.json"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        os.devnull,
        f"--rootdir={folder}",
        "-p",
        "llms_core.testing.plugin",
    ]
    command += [
        f"--llms-json={result}",
        "-p",
        "no:cacheprovider",
        "-q",
        "-k",
        "test_w_",
        *arguments,
        "test_groq.py",
    ]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(result.read_text("utf-8")), done.stdout


@pytest.mark.slow
def test_results_of_several_processes_are_one(tmp_path: Path) -> None:
    (tmp_path / "test_groq.py").write_text(TESTS, "utf-8")
    alone, _ = run(tmp_path)
    together, output = run(tmp_path, "-p", "xdist", "--numprocesses=2")
    assert alone["groups"]["W"]["passed"] > 10
    assert together["groups"]["W"] == alone["groups"]["W"]
    assert output.count("llms conformance") == 1
