"""The converted files: printed, or written to their places."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from llms_core import checks, startup
from llms_core.cli.importing.convert import Converted
from llms_core.config import env_file, places, plugins_toml
from llms_core.config.replace_file import replace_file
from llms_core.errors import ConfigError
from llms_core.plugins.host import PluginHost


def print_files(converted: Converted) -> None:
    """Print both files, and how the keys are set that are not in them."""
    click.echo(f"// {places.LLMS_JSON}")
    click.echo(_json(converted), nl=False)
    click.echo(f"\n# {places.PLUGINS_TOML}")
    click.echo(_toml(converted.plugins_toml), nl=False)
    for name in converted.keys:
        click.echo(f"{name}: set this variable to the key in LiteLLM's file", err=True)


def write_files(
    converted: Converted,
    host: PluginHost,
    config: Path | None,
    plugins: Path | None,
    *,
    force: bool,
) -> None:
    """Write both files, and keys to the user's `.env`. Raises ConfigError; nothing is written then."""
    contents = {
        places.new_llms_json(config, os.environ): _json(converted).encode(),
        places.new_plugins_toml(plugins, os.environ): _toml(converted.plugins_toml).encode(),
    }
    kept = [path for path in contents if path.exists()]
    if kept and not force:
        raise ConfigError(
            "the file exists already",
            path=str(kept[0]),
            hint="--force replaces it, and keeps a backup",
        )
    llms_json, toml = contents
    read = plugins_toml.read(contents[toml], str(toml))
    os.environ.update(converted.keys)
    checks.check(startup.preview(read, host, llms_json, contents[llms_json]))
    keys = env_file.path(os.environ)
    for name, key in converted.keys.items():
        if keys is None:
            raise ConfigError(
                "the file for keys has no place, because this user has no home directory",
                hint="set LLMS_HOME to a folder",
            )
        env_file.store(keys, name, key)
        click.echo(f"{keys}: {name} is in it")
    for path, content in contents.items():
        backup = replace_file(path, path.read_bytes() if path.exists() else None, content)
        click.echo(
            f"{path}: written" + (f"; what it contained before is in {backup}" if backup else "")
        )
    click.echo("\nNext: `llms config check`, `llms check`, `llms serve`")


def _json(converted: Converted) -> str:
    return json.dumps(converted.llms_json, indent=2, ensure_ascii=False) + "\n"


def _toml(tables: dict[str, Any]) -> str:
    try:
        import tomli_w  # an optional dependency
    except ImportError:
        raise ConfigError(
            "plugins.toml is written by tomli-w", hint='run `pip install "llms-core[litellm]"`'
        ) from None
    return tomli_w.dumps(tables)
