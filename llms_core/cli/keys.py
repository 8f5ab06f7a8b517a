"""`llms keys`."""

from __future__ import annotations

import hashlib
import sys

import click

from llms_core.cli.verbosity import verbosity
from llms_core.errors import ConfigError


@click.group(short_help="Create keys for clients of the gateway.")
def command() -> None:
    """Create keys for clients of the gateway."""


@command.command("hash")
@verbosity
def hash_key() -> None:
    """Hash a key from standard input, or from a prompt, for `[server] keys` of plugins.toml."""
    # As HTTP does with the value of a header: other white space may be part of a key.
    key = _read_key().strip(" \t\r\n")
    if not key:
        raise ConfigError("the key is empty", hint="type one, or pipe one in")
    # Bytes that were not valid in the locale's encoding are hashed as they are.
    click.echo(f"sha256:{hashlib.sha256(key.encode(errors='surrogateescape')).hexdigest()}")


def _read_key() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline()
    key: str = click.prompt("Key", hide_input=True, confirmation_prompt=True)
    return key
