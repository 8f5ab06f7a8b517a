"""The commands of README and docs work as they are written, in order, in a fresh folder.

Each page is one script, so that a variable or a file of one block is there in the next. Servers run in the background
until the page starts another one, as a reader would stop it. Only the port differs.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import warm_llms
from fresh_environment import wheels

from llms_core.testing import ScriptedUpstream, completion

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MINUTE = 60

#: The beginnings of commands that are not run, and what shows that they work.
NOT_RUN = {
    "claude": "tests/agents/test_sessions.py",
    "codex": "tests/agents/test_sessions.py",
    "gemini ": "tests/agents/test_gemini_cli.py",
    "ANTHROPIC_BASE_URL=": "tests/agents/test_sessions.py",
    'pip install "llms-core': "the packages are on PyPI from the first release on; tests/test_packaging.py",
    "uv run --group bench": "tests/test_benchmarks.py",
    "python providers.py": "tests/examples",
    "llms --config llms.json --plugins plugins.toml serve": "tests/examples",
    "export ACME_BASE_URL": "tests/examples",
    "curl -i http://localhost:8000": "tests/examples",
    "llms log 01a2210b6a703d25": "the id is another one each time; tests/core/cli/test_usage.py",
    "llms add ": "it asks the providers' own servers; tests/core/cli/manage/test_add.py",
}

PREPARED = r"""
set -euo pipefail
server=
begin_server() {
  [ -z "$server" ] || { kill "$server"; wait "$server" || true; }
  "$@" --port "$PORT" & server=$!
  for _ in $(seq 600); do
    curl -sf "http://localhost:$PORT/health" > /dev/null && return
    kill -0 "$server" || return 1
    sleep 0.1
  done
  return 1
}
trap '[ -z "$server" ] || kill "$server"' EXIT
"""

#: The beginnings of the names of variables that are kept.
KEPT = ("UV_", "PIP_", "SSL_", "XDG_", "LLMS_CACHE")

MODELS: dict[str, Any] = {
    "kimi-k2": "kimi-k2",
    "gpt-4o-mini": "gpt-4o-mini",
    "our-deployment": "our-deployment",
}


#: What is typed on a page's commands.
TYPED = {"docs/access.md": "a key of my own\n"}


class World(NamedTuple):
    """What the reader of a page has."""

    folder: Path
    home: Path
    port: int
    environment: Mapping[str, str]


@pytest.fixture
def world(tmp_path: Path, upstream: ScriptedUpstream) -> World:
    """A provider that is configured and answers, a repository with a change, and files that pages mention."""
    upstream.default = completion('{"name": "Nantes"}')
    folder = tmp_path / "folder"
    home = tmp_path / "home"
    (home / ".llms").mkdir(parents=True)
    folder.mkdir()
    provider = {"type": "openai-compatible", "base_url": upstream.base_url, "models": MODELS}
    config = {"defaults": {"text": {"model": "kimi-k2"}}, "providers": {"groq": provider}}
    (home / ".llms" / "llms.json").write_text(json.dumps(config), "utf-8")
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    (folder / "main.py").write_text("", "utf-8")
    subprocess.run(["git", "add", "main.py"], cwd=folder, check=True)
    (folder / "main.py").write_text("print('Hello!')\n", "utf-8")
    (folder / "person.json").write_text('{"type": "object"}', "utf-8")
    (folder / "config.yaml").write_text("model_list: []\n", "utf-8")
    (folder / "plugins.toml").write_text("", "utf-8")
    programs = tmp_path / "programs"
    programs.mkdir()
    _write_program(programs / "llms", shlex.join(warm_llms.command()) + ' "$@"')
    # What a reader may have to show Markdown with.
    _write_program(programs / "glow", "cat")
    environment = {
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PORT": str(free_port()),
        # Python compiles what it imports; pip would compile everything.
        "PIP_NO_COMPILE": "1",
        **{name: value for name, value in os.environ.items() if name.startswith(KEPT)},
    }
    return World(folder, home, int(environment["PORT"]), environment)


def _write_program(path: Path, command: str) -> None:
    path.write_text(f"#!/bin/sh\nexec {command}\n", "utf-8")
    path.chmod(0o755)


def with_environment(world: World, folders: pytest.TempPathFactory | None = None) -> World:
    """Add a virtual environment with this Python's own pip. It is empty, unless there is a folder for our wheels."""
    path = world.folder.parent / "environment"
    subprocess.run([sys.executable, "-m", "venv", path], check=True)
    if folders is not None:
        built = [str(wheel) for wheel in wheels(folders).glob("*.whl")]
        # uv has the dependencies already.
        command = ["uv", "pip", "install", "--quiet", "--python", str(path), *built]
        subprocess.run(command, check=True, capture_output=True)
    return world._replace(
        environment={**world.environment, "PATH": f"{path / 'bin'}:{world.environment['PATH']}"}
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def script_of(page: Path, port: int) -> str:
    """The page's commands, with servers in the background."""
    lines = [PREPARED]
    for block in BLOCK.findall(page.read_text("utf-8")):
        for command in block.replace("\\\n", " ").splitlines():
            if command.strip() and not command.startswith(tuple(NOT_RUN)):
                lines.append(f"echo '+' {json.dumps(command)} >&2")
                is_server = re.search(r"\bserve\b\s*(#.*)?$", command)
                lines.append(f"begin_server {command}" if is_server else command)
    return "\n".join(lines).replace("localhost:8000", f"localhost:{port}").replace("…", "a-key")


def run(script: str, world: World, cwd: Path | None = None, typed: str = "") -> str:
    """Run a script to its end and return what it printed."""
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=cwd or world.folder,
        env=world.environment,
        input=typed,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=5 * MINUTE,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def pages() -> list[Path]:
    """The pages with commands, other than the README."""
    found = [*(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("*/README.md")]
    return sorted(path for path in found if BLOCK.search(path.read_text("utf-8")))


@pytest.mark.slow
@pytest.mark.parametrize("page", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_of_a_page_work_in_their_order(
    page: Path, world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    script = script_of(page, world.port)
    if "curl " in script.removeprefix(PREPARED) and "begin_server llms" not in script:
        # The page is about a gateway that runs.
        script = script.replace(PREPARED, f"{PREPARED}begin_server llms serve\n")
    # The id of a conversation, which is another one each time.
    script = script.replace("2a5f", "$(llms log --json -n 1 | jq -r '.[0].id')")
    if "llms import" in script:
        (world.home / ".llms" / "llms.json").unlink()
    if "pip install" in script:
        world = with_environment(world, tmp_path_factory)
    run(script, world, typed=TYPED.get(str(page.relative_to(ROOT)), ""))


@pytest.mark.slow
def test_the_commands_of_the_readme_work_in_their_order(world: World) -> None:
    """In a clone and an empty virtual environment, as a newcomer has them."""
    clone = world.folder / "llms"
    ignored = shutil.ignore_patterns(
        ".git", ".venv", "node_modules", ".*_cache", ".hypothesis", "_site", "*.egg-info"
    )
    shutil.copytree(ROOT, clone, ignore=ignored)
    (world.home / ".llms" / "llms.json").unlink()
    printed = run(script_of(ROOT / "README.md", world.port), with_environment(world), clone)
    assert '"object":"chat.completion"' in printed


def test_whatever_is_not_run_is_in_a_page() -> None:
    commands = "\n".join(
        block
        for page in [ROOT / "README.md", *pages()]
        for block in BLOCK.findall(page.read_text("utf-8"))
    )
    for beginning in NOT_RUN:
        assert re.search(rf"^{re.escape(beginning)}", commands, re.MULTILINE), beginning
