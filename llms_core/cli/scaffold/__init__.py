"""`llms plugins new`: creates a project with a plugin that can be installed and passes its own tests."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from string import Template

import llms_core
from llms_core.cli.scaffold.auth import AUTH
from llms_core.cli.scaffold.kind import Kind
from llms_core.cli.scaffold.middleware import MIDDLEWARE
from llms_core.cli.scaffold.native import NATIVE
from llms_core.cli.scaffold.observer import OBSERVER
from llms_core.cli.scaffold.project import project_files
from llms_core.cli.scaffold.provider import COMPATIBLE
from llms_core.cli.scaffold.token import TOKEN
from llms_core.errors import ConfigError

KINDS: Mapping[str, Kind] = {
    "compatible": COMPATIBLE,
    "native": NATIVE,
    "token": TOKEN,
    "middleware": MIDDLEWARE,
    "auth": AUTH,
    "observer": OBSERVER,
}
"""The kinds of plugins: the options of the command."""

_MAX_LENGTH = 40
# Names of distributions (PEP 508), but beginning with a letter, because class and variable names are derived from it.
_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_SEPARATORS = re.compile(r"[-_.]+")


def create(
    name: str, kind: Kind = COMPATIBLE, *, folder: Path | None = None, taken: Collection[str] = ()
) -> list[Path]:
    """Write the project of the plugin `name` and return its files.

    `folder` is named like the distribution by default, in the current folder. `taken` are the names that providers, or
    plugins, have already. Raises ConfigError for an invalid or taken name, and for a folder that is not empty: nothing
    is overwritten.
    """
    names = names_of(name, kind)
    if names["name"] in taken:
        what = "provider" if kind.is_provider else "plugin"
        hint = "`llms plugins` lists it"
        if kind.is_provider:
            hint = "`llms plugins` shows which plugin provides it"
        raise ConfigError(f"the {what} '{names['name']}' already exists", hint=hint)
    if folder is None:
        folder = Path(names["distribution"])
    try:
        return _write(folder, project_files(kind), names)
    except OSError as error:
        raise ConfigError(
            error.strerror or str(error), path=str(error.filename or folder)
        ) from error


def names_of(name: str, kind: Kind = COMPATIBLE) -> dict[str, str]:
    """Return the variables of the templates: the plugin's name, distribution, module, class, title and so on.

    Raises ConfigError for a name that cannot be the name of a distribution or of a class.
    """
    own = name.strip()
    if own.lower().startswith(kind.prefix):
        own = own[len(kind.prefix) :]
    if not _NAME.fullmatch(own) or len(own) > _MAX_LENGTH:
        what = "provider" if kind.is_provider else "plugin"
        raise ConfigError(
            f"'{name}' is not a valid {what} name",
            hint=f"use up to {_MAX_LENGTH} letters, digits, '-', '_' and '.'; "
            "begin with a letter, and end with a letter or a digit",
        )
    words = _SEPARATORS.split(own)
    # Keeps capitals, as in OpenAI, which str.capitalize would lower.
    capitalized = [word[:1].upper() + word[1:] for word in words]
    lower = [word.lower() for word in words]
    distribution = kind.prefix + "-".join(lower)
    return {
        "name": "-".join(lower),
        "distribution": distribution,
        "module": distribution.replace("-", "_"),
        "class_name": "".join(capitalized),
        "title": " ".join(capitalized),
        "key_env": "_".join(lower).upper() + "_API_KEY",
        "core": _range_on_core(),
    }


def _range_on_core() -> str:
    """The versions of llms-core that a plugin for this version supports: docs/versioning.md explains the range."""
    major, minor, *_ = llms_core.__version__.split(".")
    return f">={major}.{minor},<{major}.{int(minor) + 1}"


def _write(folder: Path, templates: Mapping[str, str], names: Mapping[str, str]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ConfigError(
            "the folder is not empty, and existing files are not overwritten", path=str(folder)
        )
    written = []
    for path, text in templates.items():
        file = folder / Template(path).substitute(names)
        file.parent.mkdir(parents=True, exist_ok=True)
        # "x" fails for an existing file, also for one that appeared since the check above.
        with file.open("x", encoding="utf-8", newline="\n") as out:
            out.write(Template(text).substitute(names))
        written.append(file)
    return written
