"""The hash of an installed distribution, which `[plugins] pins` compares."""

from __future__ import annotations

import hashlib
import importlib.metadata

# Written by the installer, so they differ between machines.
_INSTALLER_FILES = frozenset(
    {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}
)


def digest(distribution: importlib.metadata.Distribution) -> str:
    """Return `sha256:…` over the names and contents of a distribution's files, excluding the installer's.

    Raises OSError if a file cannot be read.
    """
    whole = hashlib.sha256()
    for file in sorted(distribution.files or (), key=str):
        if _is_hashed(file):
            content = hashlib.sha256(file.locate().read_bytes()).hexdigest()  # type: ignore[attr-defined]
            whole.update(f"{file.as_posix()}\0{content}\n".encode())
    return f"sha256:{whole.hexdigest()}"


def _is_hashed(file: importlib.metadata.PackagePath) -> bool:
    # Scripts are outside the package's folder, and the installer generates them.
    if file.suffix == ".pyc" or ".." in file.parts:
        return False
    in_metadata = file.parts[0].endswith((".dist-info", ".egg-info"))
    return not (in_metadata and file.name in _INSTALLER_FILES)
