"""Fresh environments with the distributions of the working tree. uv makes one in each worker process that needs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from once import once

ROOT = Path(__file__).parent.parent.parent
CORE, PROVIDERS = ROOT / "llms_core", ROOT / "llms_providers"


def wheels(folders: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheels of both distributions, built once a session, as a release is."""
    _uv()  # skips if there is none, before any worker waits for another
    return once(folders, "wheels", _build)


def _build(folder: Path) -> None:
    for distribution in (CORE, PROVIDERS):
        _run([_uv(), "build", "--quiet", "--wheel", "--out-dir", str(folder), str(distribution)])


def _uv() -> str:
    found = shutil.which("uv")
    if found is None:
        pytest.skip("uv is not installed: it builds the wheels and makes fresh environments")
    return found


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"


class Environment:
    """A virtual environment, and a folder for what runs in it, which is also its home."""

    _shared: Environment | None = None

    @classmethod
    def shared(cls, folders: pytest.TempPathFactory) -> Environment:
        """The environment of this process, with the tools that test plugin projects.

        Tests install plugins in it and uninstall them again, so workers do not share it.
        """
        if cls._shared is None:
            cls._shared = cls.with_tools(folders)
        return cls._shared

    @classmethod
    def with_tools(cls, folders: pytest.TempPathFactory) -> Environment:
        """A new environment of the same kind."""
        built = [str(path) for path in wheels(folders).glob("*.whl")]
        return cls(folders.mktemp("environment"), *built, "pytest>=9", "mypy>=1.19", "ruff>=0.15")

    def __init__(self, folder: Path, *packages: str | Path) -> None:
        self._uv = _uv()
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.path = folder / "env"
        _run([self._uv, "venv", "--quiet", "--python", sys.executable, str(self.path)])
        self.install(*packages)

    def program(self, name: str) -> str:
        """The path of one of the environment's programs."""
        return str(self.path / ("Scripts" if os.name == "nt" else "bin") / name)

    def install(self, *packages: str | Path) -> None:
        """`pip install`; folders are built as they are now, not taken from uv's cache."""
        folders = [str(package) for package in packages if isinstance(package, Path)]
        others = [package for package in packages if isinstance(package, str)]
        again = [
            word
            for folder in folders
            for word in ("--refresh-package", _distribution(Path(folder)))
        ]
        self._pip("install", *again, *folders, *others)

    def uninstall(self, distribution: str) -> None:
        """`pip uninstall`."""
        self._pip("uninstall", distribution)

    def run(
        self, *command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one of the environment's programs and wait for its end, successful or not."""
        return self.start(*command, cwd=cwd, env=env).wait()

    def start(
        self, *command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Running:
        """The same, without waiting."""
        program, *arguments = map(str, command)
        return Running(
            [self.program(program), *arguments], cwd or self.home, {**self.environ(), **(env or {})}
        )

    def environ(self) -> dict[str, str]:
        """The machine's environment without its keys, proxies and gateway settings."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.upper().endswith(("_API_KEY", "_PROXY"))
            and not name.startswith(("LLMS_", "PYTEST_"))
        }
        home = str(self.home)
        own = {"HOME": home, "LLMS_HOME": home, "VIRTUAL_ENV": str(self.path), "PYTHONUTF8": "1"}
        # Most of what mypy reads is the same for every project.
        own["MYPY_CACHE_DIR"] = str(self.home / "mypy-cache")
        return {
            **kept,
            **own,
            "PATH": os.pathsep.join([str(Path(self.program("x")).parent), os.environ["PATH"]]),
        }

    def _pip(self, verb: str, *arguments: str) -> None:
        _run([self._uv, "pip", verb, "--quiet", "--python", str(self.path), *arguments])


class Running:
    """A program that runs in parallel."""

    def __init__(self, command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        self._command = command
        self._process = subprocess.Popen(
            command, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def wait(self, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        """Wait for its end; return its exit code and output."""
        try:
            out, err = self._process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            out, err = self._process.communicate()
        return subprocess.CompletedProcess(self._command, self._process.returncode, out, err)

    def stop(self) -> None:
        """Stop it if it is still running."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


def _distribution(folder: Path) -> str:
    return str(tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]["name"])
