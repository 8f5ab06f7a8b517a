"""The file `.env` in the user's folder: keys that are not in the environment of the shell."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from llms_core.config import places
from llms_core.config.replace_file import replace_file
from llms_core.errors import ConfigError

_LINE = re.compile(
    r"""\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(?:'([^']*)'|"([^"]*)"|([^\s'"#]*))\s*(?:#.*)?""", re.ASCII
)


def path(env: Mapping[str, str]) -> Path | None:
    """Return where the file is; None for a user without a folder. It is never read from the current folder."""
    folder = places.own_home(env)
    return None if folder is None else folder / ".env"


def apply(env: MutableMapping[str, str]) -> None:
    """Add the variables of the file to `env`, which takes precedence. Raises ConfigError for a file that is invalid."""
    file = path(env)
    if file is None:
        return
    for name, value in read(file).items():
        env.setdefault(name, value)


def read(file: Path) -> dict[str, str]:
    """Return the variables of a file with lines such as `NAME=value`; none if there is no file. Raises ConfigError."""
    text = _text(file)
    variables = {}
    for number, line in enumerate((text or "").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            raise ConfigError("not of the form NAME='value'", path=str(file), line=number)
        variables[found[1]] = found[2] or found[3] or found[4] or ""
    return variables


def store(file: Path, name: str, value: str) -> None:
    """Write a variable to the file, in place of its line if it has one. Raises ConfigError."""
    if "'" in value or not value.isprintable():
        raise ConfigError(f"the value of {name} cannot be written to it", path=str(file), hint="set it in the shell")
    old = _text(file)
    kept = [line for line in (old or "").splitlines() if not _is_of(line, name)]
    text = "\n".join([*kept, f"{name}='{value}'", ""])
    replace_file(file, None if old is None else old.encode(), text.encode(), backup=False)


def _is_of(line: str, name: str) -> bool:
    found = _LINE.fullmatch(line)
    return found is not None and found[1] == name


def _text(file: Path) -> str | None:
    try:
        return file.read_bytes().decode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", path=str(file)) from None
    except UnicodeDecodeError:
        raise ConfigError("the file is not UTF-8", path=str(file), hint="save it as UTF-8") from None
