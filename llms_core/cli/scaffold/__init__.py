"""`llms plugins new`: a project with a provider plugin that is whole, installable and passes its own tests."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from string import Template

import llms_core
from llms_core.cli.scaffold import native as scaffold_native
from llms_core.cli.scaffold import project as scaffold_project
from llms_core.errors import ConfigError

PREFIX = "llms-provider-"
"""How the distribution of a provider is called, before the provider's own name."""

_LONGEST = 40
# PEP 508's names, but for a first letter: the name becomes a class and an environment variable.
_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


def create(name: str, *, native: bool = False, folder: Path | None = None, taken: Collection[str] = ()) -> list[Path]:
    """Write the project of the provider `name` into `folder` (`./llms-provider-NAME`); gives the files.

    `native` is for a protocol that is not OpenAI's. `taken` are names of providers that there are already. Raises
    ConfigError for a name that will not do, and for a folder that is not empty: nothing is overwritten.
    """
    names = names_of(name)
    if names["name"] in taken:
        raise ConfigError(f"there is a provider '{names['name']}' already", hint="`llms plugins` says whose it is")
    folder = Path(names["distribution"]) if folder is None else folder
    templates = {**(scaffold_native.FILES if native else {}), **scaffold_project.files(native=native)}
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigError("the folder is not empty, and nothing is overwritten", path=str(folder))
        for path, text in templates.items():
            file = folder / Template(path).substitute(names)
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8", newline="\n") as out:
                out.write(Template(text).substitute(names))
            written.append(file)
    except OSError as error:
        raise ConfigError(error.strerror or str(error), path=str(error.filename or folder)) from error
    return written


def names_of(name: str) -> dict[str, str]:
    """What the templates call a provider: its name, distribution, module, class, title and variable of the key.

    Raises ConfigError for a name that a distribution, or a class, cannot have.
    """
    own = name.strip()
    if own.lower().startswith(PREFIX):
        own = own[len(PREFIX) :]
    if not _NAME.fullmatch(own) or len(own) > _LONGEST:
        raise ConfigError(
            f"'{name}' is no name for a provider",
            hint="a letter first, then letters, digits, '-', '_' or '.', a letter or digit last; "
            f"up to {_LONGEST} characters, such as acme or acme-cloud",
        )
    parts = re.split(r"[-_.]+", own)
    lower = [part.lower() for part in parts]
    major, minor = llms_core.__version__.split(".")[:2]
    return {
        "name": "-".join(lower),
        "distribution": PREFIX + "-".join(lower),
        "module": "llms_provider_" + "_".join(lower),
        "class_name": "".join(part[:1].upper() + part[1:] for part in parts),
        "title": " ".join(part[:1].upper() + part[1:] for part in parts),
        "key_env": "_".join(lower).upper() + "_API_KEY",
        "core": f">={major}.{minor},<{major}.{int(minor) + 1}",
    }
