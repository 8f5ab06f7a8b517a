"""Where the two files are looked for."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from llms_core.errors import ConfigError, unreadable

if sys.platform == "win32":
    from pathlib import WindowsPath as _NativePath
else:
    from pathlib import PosixPath as _NativePath

LLMS_JSON = "llms.json"
PLUGINS_TOML = "plugins.toml"


class UntrustedPath(_NativePath):
    """The path of a file that was merely found in the working directory.

    The folder may be a project that the user has just downloaded: a plugins.toml in it must not make us run code, and
    a `.env` in it is not read. Wherever the path is handed on, it stays of this class, while a path that the user has
    named is an ordinary one.
    """


def home(env: Mapping[str, str]) -> Path:
    """Return llms.py's folder: `$LLMS_HOME`, or `.llms` in the user's home (L-21)."""
    given = env.get("LLMS_HOME")
    if given:
        return _expanded(given, env)
    return _user_home(env) / ".llms"


def cache(env: Mapping[str, str]) -> Path:
    """Return the folder for files that can be made again: `$LLMS_CACHE`, or the user's own."""
    given = env.get("LLMS_CACHE")
    if given:
        return _expanded(given, env)
    return home(env)


def llms_json(
    option: str | Path | None, env: Mapping[str, str], folder: Path = Path()
) -> Path | None:
    """Find llms.json: `option` (--config), `$LLMS_CONFIG_PATH`, then the working directory `folder`, then the home.

    Returns None if there is no such file, and an UntrustedPath if it is merely in the working directory. Raises
    ConfigError if `option` or the variable name a file that is missing.
    """
    if isinstance(option, UntrustedPath):
        return option  # found by an earlier call
    return _named(option, "--config", "LLMS_CONFIG_PATH", env, folder) or _found(
        LLMS_JSON, env, folder
    )


def new_llms_json(option: str | Path | None, env: Mapping[str, str], folder: Path = Path()) -> Path:
    """Return where an llms.json is created: `option` (--config), `$LLMS_CONFIG_PATH`, or else in the home."""
    name = option or env.get("LLMS_CONFIG_PATH")
    if name:
        return folder / _expanded(name, env)
    return home(env) / LLMS_JSON


def new_plugins_toml(
    option: str | Path | None, env: Mapping[str, str], folder: Path = Path()
) -> Path:
    """Return where a plugins.toml is created: `option` (--plugins), `$LLMS_PLUGINS_PATH`, or else in the home."""
    name = option or env.get("LLMS_PLUGINS_PATH")
    if name:
        return folder / _expanded(name, env)
    return home(env) / PLUGINS_TOML


def plugins_toml(
    option: str | Path | None, env: Mapping[str, str], folder: Path = Path()
) -> Path | None:
    """Find plugins.toml: `option` (--plugins), `$LLMS_PLUGINS_PATH`, then the working directory, then the home.

    Returns None if there is no such file, and an UntrustedPath if it is merely in the working directory. Raises
    ConfigError if `option` or the variable name a file that is missing.
    """
    if isinstance(option, UntrustedPath):
        return option  # found by an earlier call
    return _named(option, "--plugins", "LLMS_PLUGINS_PATH", env, folder) or _found(
        PLUGINS_TOML, env, folder
    )


def _named(
    option: str | Path | None,
    switch: str,
    variable: str,
    env: Mapping[str, str],
    folder: Path,
) -> Path | None:
    """The file that the user names, by an option or by a variable."""
    for name, origin in ((option, switch), (env.get(variable), f"${variable}")):
        if not name:
            continue
        path = folder / _expanded(name, env)
        if not _is_file(path):
            problem = "is a folder" if path.is_dir() else "does not exist"
            hint = f"correct {origin}, or leave it out: then the file is looked for in ./ and in {home(env)}"
            raise ConfigError(f"the file that {origin} names {problem}", path=str(path), hint=hint)
        return path
    return None


def _found(name: str, env: Mapping[str, str], folder: Path) -> Path | None:
    """The file in the working directory, or else in the home."""
    for path in (folder / name, home(env) / name):
        if _is_file(path):
            if _is_own_folder(path.parent, env):
                return path
            return UntrustedPath(path)
    return None


def own_home(env: Mapping[str, str]) -> Path | None:
    """Return `home` if it is the user's own folder.

    For a user without a home directory, it is relative to the working directory, which may be anybody's.
    """
    if not env.get("LLMS_HOME") and not _user_home(env).is_absolute():
        return None
    return home(env)


def _is_own_folder(folder: Path, env: Mapping[str, str]) -> bool:
    own = own_home(env)
    return own is not None and folder.resolve() == own.resolve()


def _user_home(env: Mapping[str, str]) -> Path:
    """The user's home directory; the working directory for a user without one, as in some containers."""
    try:
        return Path(env.get("HOME") or env.get("USERPROFILE") or Path.home())
    except RuntimeError:
        return Path()


def _expanded(path: str | Path, env: Mapping[str, str]) -> Path:
    """Replace `~` by the user's home; in `--config=~/…` a shell leaves it as it is."""
    parts = Path(path).parts
    if parts and parts[0] == "~":
        return _user_home(env).joinpath(*parts[1:])
    return Path(path)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise unreadable(path, error) from None
