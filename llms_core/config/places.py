"""Where the two files are looked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from llms_core.errors import ConfigError

LLMS_JSON, PLUGINS_TOML = "llms.json", "plugins.toml"


def home(env: Mapping[str, str]) -> Path:
    """llms.py's folder: `$LLMS_HOME`, or `.llms` in the user's home (L-21)."""
    given = env.get("LLMS_HOME")
    return _expanded(given, env) if given else _user(env) / ".llms"


def llms_json(option: str | Path | None, env: Mapping[str, str], folder: Path = Path()) -> Path | None:
    """`option` (--config), `$LLMS_CONFIG_PATH`, ./llms.json or the home's; None where there is no such file.

    `folder` is the working directory. Raises ConfigError for a file that is asked for by name and is not there.
    """
    return _find(option, "--config", "LLMS_CONFIG_PATH", LLMS_JSON, env, folder)


def plugins_toml(option: str | Path | None, env: Mapping[str, str], folder: Path = Path()) -> Path | None:
    """`option` (--plugins), `$LLMS_PLUGINS_PATH`, ./plugins.toml or the home's; None where there is no such file.

    `folder` is the working directory. Raises ConfigError for a file that is asked for by name and is not there.
    """
    return _find(option, "--plugins", "LLMS_PLUGINS_PATH", PLUGINS_TOML, env, folder)


def _find(
    option: str | Path | None, switch: str, variable: str, name: str, env: Mapping[str, str], folder: Path
) -> Path | None:
    for given, source in ((option, switch), (env.get(variable), f"${variable}")):
        if given:
            path = folder / _expanded(given, env)
            if not _is_file(path):
                what = "is a folder" if path.is_dir() else "does not exist"
                raise ConfigError(f"the file that {source} names {what}", path=str(path))
            return path
    return next((path for path in (folder / name, home(env) / name) if _is_file(path)), None)


def _user(env: Mapping[str, str]) -> Path:
    """The user's home; the working directory for a user without one, as in some containers."""
    try:
        return Path(env.get("HOME") or env.get("USERPROFILE") or Path.home())
    except RuntimeError:
        return Path()


def _expanded(path: str | Path, env: Mapping[str, str]) -> Path:
    """The path with `~` for the user's home; a shell leaves it as it is in `--config=~/…`."""
    parts = Path(path).parts
    return _user(env).joinpath(*parts[1:]) if parts and parts[0] == "~" else Path(path)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", path=str(path)) from None
