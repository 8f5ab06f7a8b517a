"""The provider's key: the variable that contains it, which the user may have to set first."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import click
import msgspec

from llms_core.cli.add.block import Block
from llms_core.cli.add.questions import Questions
from llms_core.config import env_file
from llms_core.openai_compatible import OPENAI_COMPATIBLE
from llms_core.provider import ProviderSpec
from llms_core.secret import Secret, redact

_VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_REFERENCE = re.compile(r"\$\{?([A-Za-z_]\w*)\}?", re.ASCII)


class Key(msgspec.Struct, frozen=True):
    """Where the key is."""

    #: None for a provider that needs none, or whose block says where it is
    variable: str | None = None
    #: what the user typed, if the variable was not set; never shown
    typed: Secret | None = None


def find(
    block: Block, questions: Questions, variable: str | None, specs: Mapping[str, ProviderSpec]
) -> Key:
    """Find out the variable, and let the user type the key if it is not set. Raises UsageError.

    A typed key is put into this process's environment, for the test.
    """
    usual = _usual_variable(block, specs)
    variable = variable or usual
    if variable is None and block.is_new and block.current["type"] == OPENAI_COMPATIBLE.name:
        variable = questions.text(
            "Environment variable of its key (empty: none)", option="--key-env", default=""
        )
    if not variable:
        return Key()
    if not _VARIABLE.fullmatch(variable):
        raise click.UsageError(f"'{variable}' cannot be the name of an environment variable")
    if variable != usual:
        block.members["api_key"] = f"${variable}"
    if os.environ.get(variable):
        return Key(variable)
    typed = questions.hidden(f"Key, which is not shown ({variable} is not set)")
    if not typed:
        return Key(variable)
    secret = Secret(typed)
    redact.add([secret])
    os.environ[variable] = typed
    return Key(variable, secret)


def keep(key: Key, questions: Questions, *, store: bool) -> None:
    """Tell how a typed key is set for good, or write it to the user's `.env` if that is wanted. Raises ConfigError."""
    if key.variable is None or key.typed is None:
        return
    path = env_file.path(os.environ)
    if path is not None and (
        store or questions.agreed(f"Keep the key in {path}, which only you can read?")
    ):
        env_file.store(path, key.variable, key.typed.reveal())
        click.echo(
            f"{path}: {key.variable} is in it; a running server has to be restarted to see it"
        )
    else:
        click.echo(
            f"Set the key in your shell, for example in its profile: export {key.variable}='…'"
        )


def _usual_variable(block: Block, specs: Mapping[str, ProviderSpec]) -> str | None:
    """The variable that the block names, or else the one of its type."""
    api_key = block.current.get("api_key")
    if api_key is not None:
        found = _REFERENCE.fullmatch(str(api_key))
        return None if found is None else found[1]
    spec = specs.get(str(block.current.get("type", block.id)).lower())
    if spec is None or not spec.needs_key:
        return None
    for name in spec.key_env:
        if os.environ.get(name):
            return name
    return next(iter(spec.key_env), None)
