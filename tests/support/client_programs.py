"""Frameworks of agents that run in environments of their own, because their requirements contradict each other's.

A program is what a user of the framework would write. `PRELUDE` precedes it, and gives it the tool's data and a way to
report. It is told only the gateway's address and a key, in the variables of the environment that its SDK reads.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from once import once

if TYPE_CHECKING:
    from tests.conftest import Gateway

PRELUDE = '''
import asyncio
import json

QUESTION = "What is the weather in Turin and in Oslo?"
WEATHER = {"Turin": "sunny", "Oslo": "rainy"}

async def outcome(work):
    try:
        return {"answer": await work()}
    except Exception as error:
        return {"error": type(error).__name__, "message": str(error)}

def report(*works):
    """Run functions, and print what each returns or raises."""
    async def all_of_them():
        return {work.__name__: await outcome(work) for work in works}

    print(json.dumps(asyncio.run(all_of_them())))
'''


def environment(folders: pytest.TempPathFactory, name: str, *packages: str) -> Path:
    """Return the Python of an environment with the packages, made once a session; skip the test if it cannot be made.

    It is required in CI, and optional on machines without uv or network.
    """
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip(f"uv is not installed: it makes the environment for {name}")

    def make(folder: Path) -> None:
        commands = (
            [uv, "venv", "--quiet", "--python", sys.executable, str(folder / "env")],
            [uv, "pip", "install", "--quiet", "--python", str(folder / "env"), *packages],
        )
        for command in commands:
            done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
            if done.returncode:
                (folder / "failure.txt").write_text(done.stderr, "utf-8")
                return

    folder = once(folders, name, make)
    failure = folder / "failure.txt"
    if failure.exists():
        assert not os.environ.get("CI"), failure.read_text("utf-8")
        pytest.skip(f"uv could not install {name}: {failure.read_text('utf-8')[-300:]}")
    return folder / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"


def run_program(python: Path, program: str, gateway: Gateway) -> Any:
    """Return what the program reports: for each of its functions the answer, or the class and text of the error."""
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(gateway.root),
        "PYTHONUTF8": "1",
        "OPENAI_BASE_URL": gateway.base_url,
        "OPENAI_API_KEY": "not-needed",
        "ANTHROPIC_BASE_URL": gateway.origin,
        "ANTHROPIC_API_KEY": "not-needed",
        # Whatever it might try to reach besides the gateway fails at once.
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1,localhost",
    }
    done = subprocess.run(
        [str(python), "-c", PRELUDE + program],
        cwd=gateway.root,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
