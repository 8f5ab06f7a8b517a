"""`llms init`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llms_core.cli.files import files
from llms_core.config.model import DISABLED_BY_USER, NO_KEY

if TYPE_CHECKING:
    from llms_core.startup import Startup

_SCHEMA = "llms.schema.json"


@click.command(short_help="Create llms.json.")
@click.option("--force", is_flag=True, help="Replace the file if it exists; a backup is kept.")
@files
def command(force: bool, config: Path | None, plugins: Path | None) -> None:
    """Create ~/.llms/llms.json, or the file that --config names.

    It contains what applies without such a file: the usual providers, and every other one whose key is in the
    environment. Keys are not written to it, only the names of their variables.

    \b
      llms init
      llms --config ./llms.json init
    """
    from llms_core import default_config, startup
    from llms_core.config import llms_json, places
    from llms_core.config.replace_file import replace_file
    from llms_core.plugins.loading import load_plugins

    path = places.new_llms_json(config, os.environ)
    exists = path.exists()
    if exists and not force:
        click.echo(f"{path} exists already and stays as it is; --force replaces it")
        return
    toml, host = load_plugins(plugins)
    text = default_config.text(host).encode()
    found = startup.preview(toml, host, path, text)
    backup = replace_file(path, llms_json.content(path) if exists else None, text)
    click.echo(f"{path}: created")
    if backup is not None:
        click.echo(f"{backup}: what it contained before")
    _write_schema(path.with_name(_SCHEMA))
    _report(found)
    _warn_of_another(path, config)


def _write_schema(path: Path) -> None:
    """Write the schema that the file names, so that editors know its members."""
    from llms_core.config import schema
    from llms_core.config.replace_file import replace_file

    if not path.exists():
        replace_file(path, None, schema.rendered().encode())
        click.echo(f"{path}: created, for editors")


def _report(found: Startup) -> None:
    """Tell which providers can be used, and why the others cannot: in one line those that only lack their keys."""
    usable = []
    keyless = []
    others = []
    for item in found.configured:
        if item.disabled is None:
            usable.append(f"{item.id} (a demo model)" if item.provider.spec.demo else item.id)
        elif item.disabled.startswith(NO_KEY):
            keyless.append(item.id)
        elif item.disabled == DISABLED_BY_USER:
            others.append(f"{item.id}: disabled in the file; `llms enable {item.id}` enables it")
        else:
            others.append(f"{item.id}: {item.disabled}")
    click.echo(f"\n{len(found.configured)} providers. Usable now: {', '.join(usable) or 'none'}")
    if keyless:
        click.echo(f"Without a key: {', '.join(keyless)} (`llms ls` names the variables)")
    for line in others:
        click.echo(line)
    click.echo(
        '\nNext: `llms add` sets up a provider and its key; `llms "Hello"` asks a model; `llms serve` starts a server'
    )


def _warn_of_another(path: Path, config: Path | None) -> None:
    """Warn if another file is used in this folder."""
    from llms_core.config import places

    used = places.llms_json(config, os.environ)
    if used is not None and used.resolve() != path.resolve():
        click.echo(f"warning: in this folder, {used} is used instead", err=True)
