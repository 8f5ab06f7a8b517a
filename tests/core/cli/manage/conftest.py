"""Runs commands as a user types them: in a process of their own, with a home of their own."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pytest
import warm_llms

_TIMEOUT = 60  # seconds


class Ran(Protocol):
    """The result of a command."""

    returncode: int
    stdout: str
    stderr: str


class Start(Protocol):
    """The fixture `start`."""

    def __call__(self, *arguments: str) -> subprocess.Popen[str]: ...


class Terminal(Protocol):
    """The fixture `terminal`."""

    def __call__(
        self, *arguments: str, env: Mapping[str, str] = ..., answers: Mapping[str, str] = ...
    ) -> str: ...


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
def llms(home: Path, environment: Mapping[str, str]) -> Run:
    """Runs a command in the user's home, without a terminal."""

    def run(*arguments: str, env: Mapping[str, str] | None = None, stdin: str = "") -> Ran:
        return subprocess.run(
            [*warm_llms.command(), *arguments],
            cwd=home,
            env={**environment, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
        )

    return run


@pytest.fixture
def start(home: Path, environment: Mapping[str, str], command: Sequence[str]) -> Start:
    """Starts a command that the test ends."""

    def popen(*arguments: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [*command, *arguments],
            cwd=home,
            env=environment,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
        )

    return popen


@pytest.fixture
def terminal(home: Path, environment: Mapping[str, str], command: Sequence[str]) -> Terminal:
    """Runs a command on a terminal, answers its questions, and returns everything that the terminal shows."""
    pty = pytest.importorskip("pty", reason="Windows has no such terminals")

    def run(
        *arguments: str,
        env: Mapping[str, str] | None = None,
        answers: Mapping[str, str] | None = None,
    ) -> str:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [*command, *arguments],
            cwd=home,
            env={**environment, "TERM": "xterm", **(env or {})},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        try:
            shown = _conversation(ours, answers or {})
            process.wait(_TIMEOUT)
        finally:
            os.close(ours)
            process.kill()
            process.wait()
        return shown

    return run


def _conversation(terminal: int, answers: Mapping[str, str]) -> str:
    """Answer each question once it is there, in order, and return what is shown until the command ends."""
    shown = ""
    place = 0
    waiting = list(answers.items())
    while True:
        ready, _, _ = select.select([terminal], [], [], _TIMEOUT)
        assert ready, f"nothing happened for {_TIMEOUT} s after:\n{shown}"
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # how Linux tells the end
            piece = b""
        if not piece:
            return shown
        shown += piece.decode()
        if waiting and (found := shown.find(waiting[0][0], place)) != -1:
            question, answer = waiting.pop(0)
            place = found + len(question)
            os.write(terminal, f"{answer}\r".encode())
