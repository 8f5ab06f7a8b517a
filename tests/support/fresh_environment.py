"""Fresh environments with what the working tree has, made by uv once a session and shared: a start costs seconds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CORE, PROVIDERS = ROOT / "llms_core", ROOT / "llms_providers"


class Environment:
    """A virtual environment, and a folder for what runs in it, which is its home, too."""

    _shared: Environment | None = None

    @classmethod
    def shared(cls, folders: pytest.TempPathFactory) -> Environment:
        """The session's one, with what projects of plugins are tested with."""
        if cls._shared is None:
            cls._shared = Environment(folders.mktemp("environment"), "pytest>=9", "mypy>=1.19", "ruff>=0.15")
        return cls._shared

    def __init__(self, folder: Path, *packages: str | Path) -> None:
        uv = shutil.which("uv")
        if uv is None:
            pytest.skip("uv is not installed, and a fresh environment is made with it")
        self._uv = uv
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.path = folder / "env"
        self._run([uv, "venv", "--quiet", "--python", sys.executable, str(self.path)])
        self.install(CORE, PROVIDERS, *packages)

    def program(self, name: str) -> str:
        """The path of one of the environment's programs."""
        return str(self.path / ("Scripts" if os.name == "nt" else "bin") / name)

    def install(self, *packages: str | Path) -> None:
        """`pip install`; folders as they are now, and not as uv remembers them."""
        folders = [str(package) for package in packages if isinstance(package, Path)]
        others = [package for package in packages if isinstance(package, str)]
        again = [word for folder in folders for word in ("--refresh-package", _distribution(Path(folder)))]
        self._pip("install", *again, *folders, *others)

    def uninstall(self, distribution: str) -> None:
        """`pip uninstall`."""
        self._pip("uninstall", distribution)

    def run(
        self, *command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one of the environment's programs to its end, whichever it is."""
        return self.start(*command, cwd=cwd, env=env).wait()

    def start(self, *command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Running:
        """The same, without waiting."""
        program, *arguments = map(str, command)
        return Running([self.program(program), *arguments], cwd or self.home, {**self.environ(), **(env or {})})

    def environ(self) -> dict[str, str]:
        """Nothing of the machine's keys, proxies and settings of the gateway."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.upper().endswith(("_API_KEY", "_PROXY")) and not name.startswith(("LLMS_", "PYTEST_"))
        }
        home = str(self.home)
        own = {"HOME": home, "LLMS_HOME": home, "VIRTUAL_ENV": str(self.path), "PYTHONUTF8": "1"}
        return {**kept, **own, "PATH": os.pathsep.join([str(Path(self.program("x")).parent), os.environ["PATH"]])}

    def _pip(self, verb: str, *arguments: str) -> None:
        self._run([self._uv, "pip", verb, "--quiet", "--python", str(self.path), *arguments])

    @staticmethod
    def _run(command: Sequence[str]) -> None:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"


class Running:
    """A program that runs beside others."""

    def __init__(self, command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        self._command = command
        self._process = subprocess.Popen(
            command, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def wait(self, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        """Its end and its output."""
        try:
            out, err = self._process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            out, err = self._process.communicate()
        return subprocess.CompletedProcess(self._command, self._process.returncode, out, err)

    def stop(self) -> None:
        """End it, if it has not ended."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


def _distribution(folder: Path) -> str:
    return str(tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]["name"])
