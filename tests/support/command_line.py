"""The command line as users have it: commands in processes of their own, in a pipe or on a terminal."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import warm_llms

if TYPE_CHECKING:
    import pexpect

#: Seconds that a process may take to start, to answer or to end. A start takes one second, of which nearly all is spent
#: on imports; on a machine that is busy with other tests it has taken more than twenty.
TIMEOUT = 120

COLUMNS, LINES = 80, 24


class CommandLine:
    """A user with a folder for llms and a working directory, both empty."""

    def __init__(self, root: Path):
        self.home = root / "home"
        self.folder = root / "work"
        self.home.mkdir()
        self.folder.mkdir()
        self.env = {
            **{
                name: value
                for name, value in os.environ.items()
                if name not in ("NO_COLOR", "VERBOSE")
            },
            "LLMS_HOME": str(self.home),
            "TERM": "xterm-256color",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }

    def configure(self, config: Mapping[str, Any], plugins: str = "") -> None:
        """Write llms.json, and plugins.toml unless it is empty."""
        (self.home / "llms.json").write_text(json.dumps(config), "utf-8")
        if plugins:
            (self.home / "plugins.toml").write_text(plugins, "utf-8")

    def run(
        self, *arguments: str, stdin: str | bytes = b"", **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `llms` with pipes in place of a terminal."""
        done = subprocess.run(
            [*warm_llms.command(), *arguments],
            cwd=self.folder,
            env={**self.env, **env},
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    def shell(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a line of bash, in which `llms` is the command."""
        # What stands for the command cannot pass on a stream that is closed.
        command = self.command() if "&-" in line else warm_llms.command()
        script = f'llms() {{ {shlex.join(command)} "$@"; }}; set -o pipefail; {line}'
        return subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `llms` with pipes."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def terminal(self, *arguments: str, **env: str) -> pexpect.spawn[str]:
        """Start `llms` on a terminal."""
        import pexpect

        program, *rest = self.command(*arguments)
        return pexpect.spawn(
            program,
            rest,
            cwd=str(self.folder),
            env={**self.env, **env},
            dimensions=(LINES, COLUMNS),
            encoding="utf-8",
            timeout=TIMEOUT,
        )

    def command(self, *arguments: str) -> list[str]:
        """The arguments of the process."""
        return [sys.executable, "-m", "llms_core", *arguments]


def chunk(text: str = "", *, finish_reason: str | None = None, **members: Any) -> dict[str, Any]:
    """A chunk of a streamed completion."""
    delta = {"content": text} if text else {}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "up-m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
        **members,
    }


def streamed(*pieces: str) -> list[dict[str, Any] | str]:
    """The events of a streamed answer."""
    return [*map(chunk, pieces), chunk(finish_reason="stop"), "[DONE]"]
