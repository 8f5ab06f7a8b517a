"""Files named `.env`, with keys that are not in the environment of the shell.

One is in the user's own folder, others are beside files that the user has named. Their variables do not become part of
the environment, because an `.env` that came with a project could set a proxy then. They are only looked up by name: for
the references in the two files, and for what providers need.
"""

from __future__ import annotations

import os
import re
from collections import ChainMap
from collections.abc import Iterable, Mapping
from pathlib import Path

from llms_core.config import places
from llms_core.config.replace_file import replace_file
from llms_core.errors import ConfigError, unreadable

_LINE = re.compile(
    r"""\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(?:'([^']*)'|"([^"]*)"|([^\s'"#]*))\s*(?:#.*)?""",
    re.ASCII,
)


def path(env: Mapping[str, str]) -> Path | None:
    """Return where the user's own file is; None for a user without a folder."""
    folder = places.own_home(env)
    if folder is None:
        return None
    return folder / ".env"


def paths(env: Mapping[str, str], named: Path | None = None) -> list[Path]:
    """Return where files may be: beside a file that the user has `named`, and in the user's own folder.

    None is read from a folder that is merely the current one.
    """
    found = []
    if named is not None and not isinstance(named, places.UntrustedPath):
        found.append(named.parent / ".env")
    own = path(env)
    return found if own is None else [*found, own]


def with_files(env: Mapping[str, str], named: Path | None = None) -> Mapping[str, str]:
    """Return `env`, which takes precedence, with the variables of the files. Raises ConfigError for an invalid one."""
    # Neither the environment nor a file is changed through the result.
    return ChainMap(env, *map(read, paths(env, named)))  # type: ignore[arg-type]


def export(env: Mapping[str, str], names: Iterable[str]) -> None:
    """Put variables of `env` into the environment of this process, for adapters that look there for themselves."""
    for name in names:
        value = env.get(name)
        if value:
            os.environ.setdefault(name, value)


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
        raise ConfigError(
            f"the value of {name} cannot be written to it",
            path=str(file),
            hint="set it in the shell",
        )
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
        raise unreadable(file, error) from None
    except UnicodeDecodeError:
        raise ConfigError(
            "the file is not UTF-8", path=str(file), hint="save it as UTF-8"
        ) from None
