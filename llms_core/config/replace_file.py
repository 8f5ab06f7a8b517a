"""Replaces one of the user's files: at once and completely, or not at all."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from llms_core.errors import ConfigError

BACKUP_SUFFIX = ".bak"


def replace_file(path: Path, old: bytes | None, new: bytes, *, backup: bool = True) -> Path | None:
    """Write `new` to `path`, whose content is `old`, and return the path of a `backup`, a copy of `old`.

    `old` is None for a file that must not exist yet. A symbolic link stays one; the mode and the owner stay, too. A new
    file can only be read by its owner: it may get keys. Raises ConfigError if the file has changed since it was read,
    or cannot be written.
    """
    try:
        target = path.resolve()
        if old is None:
            target.parent.mkdir(parents=True, exist_ok=True)
            _create(target, new)
            return None
        copy = target.with_name(target.name + BACKUP_SUFFIX) if backup else None
        if copy is not None:
            _put(copy, old, like=target)
        if target.read_bytes() != old:
            raise ConfigError(
                "the file has changed in the meantime; nothing was written", path=str(path)
            )
        _put(target, new, like=target)
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror or error}", path=str(path)) from None
    return copy


def _create(target: Path, data: bytes) -> None:
    """Write a new file. Raises FileExistsError if there is one."""
    temporary = _written(target, data)
    try:
        # Unlike a rename, a link never replaces a file. Some file systems have none.
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:
        if target.exists():
            raise FileExistsError(None, "it exists already") from None
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(target.parent)


def _put(target: Path, data: bytes, *, like: Path) -> None:
    """Write a file, in place of the one that may be there, with the mode and the owner of another."""
    temporary = _written(target, data)
    try:
        _copy_permissions(like, temporary)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _written(target: Path, data: bytes) -> Path:
    """Write a temporary file beside `target`, so that it can take its place at once."""
    # Readable by its owner alone.
    with NamedTemporaryFile(prefix=f".{target.name}.", dir=target.parent, delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    return temporary


def _copy_permissions(source: Path, target: Path) -> None:
    status = source.stat()
    target.chmod(status.st_mode & 0o7777)
    if sys.platform != "win32" and (status.st_uid, status.st_gid) != (os.getuid(), os.getgid()):
        # Only root can give a file to another user, and root's edits must not take a file from its owner.
        with suppress(PermissionError):
            os.chown(target, status.st_uid, status.st_gid)


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power failure, which Windows does by itself."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
