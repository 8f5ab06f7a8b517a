"""A distribution's hash, for `[plugins] pins`: what is installed is what was looked at."""

from __future__ import annotations

import hashlib
import importlib.metadata

# What the installer writes, which differs from machine to machine.
_INSTALLERS = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"})


def digest(distribution: importlib.metadata.Distribution) -> str:
    """`sha256:…` over the names and the bytes of its files, but for those that the installer wrote.

    Raises OSError where a file is missing.
    """
    whole = hashlib.sha256()
    for file in sorted(distribution.files or (), key=str):
        inside = file.parts[0].endswith((".dist-info", ".egg-info"))
        if file.suffix == ".pyc" or (inside and file.name in _INSTALLERS) or ".." in file.parts:
            continue
        content = hashlib.sha256(file.locate().read_bytes()).hexdigest()  # type: ignore[attr-defined]
        whole.update(f"{file.as_posix()}\0{content}\n".encode())
    return f"sha256:{whole.hexdigest()}"
