"""`llms keys`."""

from __future__ import annotations

import hashlib
import sys

import click

from llms_core.errors import ConfigError


@click.group(short_help="Make keys for clients of the gateway.")
def command() -> None:
    """Make keys for clients of the gateway."""


@command.command("hash")
def hash_key() -> None:
    """Read a key from standard input, or ask for it, and print what `[server] keys` of plugins.toml wants for it."""
    asked = sys.stdin.isatty()
    key = (click.prompt("Key", hide_input=True, confirmation_prompt=True) if asked else sys.stdin.readline()).strip()
    if not key:
        raise ConfigError("there is no key: type one, or pipe one in")
    click.echo(f"sha256:{hashlib.sha256(key.encode()).hexdigest()}")
