"""Commands never run code of the folder that they are started in, unless the user names its plugins.toml."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

TIMEOUT = 60.0
MESSAGE = "[plugins] load is ignored"
HINT = "--plugins ./plugins.toml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a plugin that would leave a file behind."""
    folder = tmp_path / "downloaded"
    folder.mkdir()
    (folder / "evil.py").write_text("from pathlib import Path\nPath('marker').touch()\n")
    (folder / "plugins.toml").write_text(
        '[plugins]\nload = ["evil.py"]\n[routing]\nstrategy = "ordered"\n'
    )
    return folder


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The environment of a user whose home is empty."""
    home = tmp_path / "home"
    home.mkdir()
    return {**os.environ, "HOME": str(home)}


def run(arguments: Sequence[str], folder: Path, env: dict[str, str]) -> str:
    """Run a command in a folder, and return what it writes to stderr."""
    command = [sys.executable, "-m", "llms_core", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=TIMEOUT
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


COMMANDS = [["--help"], ["ls"], ["plugins"], ["config", "check"]]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_command_does_not_run_code_of_the_folder(
    arguments: list[str], folder: Path, env: dict[str, str]
) -> None:
    shown = run(arguments, folder, env)
    assert not (folder / "marker").exists()
    assert MESSAGE in shown
    assert HINT in shown


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_named_file_is_trusted(arguments: list[str], folder: Path, env: dict[str, str]) -> None:
    assert MESSAGE not in run(["--plugins", "./plugins.toml", *arguments], folder, env)
    assert (folder / "marker").exists()


def test_a_file_named_by_the_variable_is_trusted(folder: Path, env: dict[str, str]) -> None:
    assert MESSAGE not in run(["ls"], folder, {**env, "LLMS_PLUGINS_PATH": "plugins.toml"})
    assert (folder / "marker").exists()


def test_the_users_own_folder_is_trusted(folder: Path, env: dict[str, str]) -> None:
    assert MESSAGE not in run(["ls"], folder, {**env, "LLMS_HOME": str(folder)})
    assert (folder / "marker").exists()


def test_the_rest_of_the_file_is_used(folder: Path, env: dict[str, str]) -> None:
    (folder / "plugins.toml").write_text('[plugins]\ndisabled = ["ollama"]\nload = ["evil.py"]')
    command = [sys.executable, "-m", "llms_core", "plugins"]
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=TIMEOUT
    )
    assert "ollama: listed in [plugins] disabled" in done.stdout


class Serving:
    """`llms serve` in a folder."""

    def __init__(self, folder: Path, env: dict[str, str], arguments: Sequence[str]):
        command = [sys.executable, "-m", "llms_core", *arguments, "serve", "--port", "0"]
        self._process = subprocess.Popen(
            command, cwd=folder, env=env, stderr=subprocess.PIPE, text=True
        )

    def log_when_ready(self) -> str:
        """Wait until the server listens, and return its log."""
        assert self._process.stderr is not None
        lines = []
        # A server that hangs is ended, and with it the log.
        hangs = threading.Timer(TIMEOUT, self._process.kill)
        hangs.start()
        for line in self._process.stderr:
            lines.append(line)
            if "listening on" in line:
                hangs.cancel()
                return "".join(lines)
        hangs.cancel()
        pytest.fail(f"the server does not listen: {lines}")

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=TIMEOUT)


@pytest.fixture
def serving(folder: Path, env: dict[str, str], request: pytest.FixtureRequest) -> Iterator[Serving]:
    """`llms serve`, with the options that the test gives as the parameter."""
    running = Serving(folder, env, request.param)
    yield running
    running.stop()


@pytest.mark.parametrize("serving", [[]], indirect=True, ids=["found"])
def test_the_server_does_not_run_code_of_the_folder(folder: Path, serving: Serving) -> None:
    log = serving.log_when_ready()
    assert not (folder / "marker").exists()
    assert MESSAGE in log
    assert HINT in log


@pytest.mark.parametrize("serving", [["--plugins", "./plugins.toml"]], indirect=True, ids=["named"])
def test_the_server_trusts_a_named_file(folder: Path, serving: Serving) -> None:
    assert MESSAGE not in serving.log_when_ready()
    assert (folder / "marker").exists()
