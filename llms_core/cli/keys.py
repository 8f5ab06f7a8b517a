"""`llms keys`."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import sys

import click

from llms_core.cli.verbosity import verbosity
from llms_core.errors import ConfigError

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]+")


@click.group(short_help="Create keys for clients of the gateway.")
def command() -> None:
    """Create keys for clients of the gateway."""


@command.command("new")
@click.argument("name")
@click.option("--admin", is_flag=True, help="The key may also switch providers on and off.")
@verbosity
def new_key(name: str, admin: bool) -> None:
    """Create a random key for the client NAME.

    Prints the key, which is stored nowhere, and the lines for plugins.toml.
    """
    key = f"sk-llms-{secrets.token_urlsafe(32)}"
    # JSON's strings are strings of TOML, too.
    shown_name = name if _PLAIN_NAME.fullmatch(name) else json.dumps(name, ensure_ascii=False)
    click.echo(f"The key of {name}, which is not shown again:\n\n  {key}\n\nFor plugins.toml:\n")
    if admin:
        click.echo(f'  [server.keys.{shown_name}]\n  hash = "{_hash(key)}"\n  admin = true')
    else:
        click.echo(f'  [server.keys]\n  {shown_name} = "{_hash(key)}"')


@command.command("hash")
@verbosity
def hash_key() -> None:
    """Hash a key from standard input, or from a prompt, for `[server] keys` of plugins.toml."""
    # As HTTP does with the value of a header: other white space may be part of a key.
    key = _read_key().strip(" \t\r\n")
    if not key:
        raise ConfigError("the key is empty", hint="type one, or pipe one in")
    click.echo(_hash(key))


def _hash(key: str) -> str:
    # Bytes that were not valid in the locale's encoding are hashed as they are.
    return f"sha256:{hashlib.sha256(key.encode(errors='surrogateescape')).hexdigest()}"


def _read_key() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline()
    key: str = click.prompt("Key", hide_input=True, confirmation_prompt=True)
    return key
