"""The llms.json that a command changes: found or created, shown as a difference, written."""

from __future__ import annotations

import difflib
import os
from codecs import BOM_UTF8
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from llms_core.cli.terminal import styled

if TYPE_CHECKING:
    from llms_core.startup import Startup

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}
_CONTEXT_LINES = 2


class ConfigFile(msgspec.Struct, frozen=True, eq=False):
    """An llms.json before a change."""

    path: Path
    text: str
    #: its content; None if there is no file yet, so that `text` is that of `llms init`
    data: bytes | None
    #: what the gateway makes of it
    startup: Startup

    @property
    def ids(self) -> list[str]:
        """The providers in the file, in its order."""
        return [item.id for item in self.startup.configured if not item.provider.implicit]


def read(config: Path | None, plugins: Path | None) -> ConfigFile:
    """Return the file that the gateway would use, or a new one in the home. Raises ConfigError."""
    from llms_core import default_config, startup
    from llms_core.config import llms_json, places
    from llms_core.plugins.loading import load_plugins

    toml, host = load_plugins(plugins)
    path = places.llms_json(config, os.environ)
    data = None
    if path is None:
        path = places.new_llms_json(config, os.environ)
        text = default_config.text(host)
        found = startup.preview(toml, host, path, text.encode())
    else:
        data = llms_json.content(path)
        found = startup.preview(toml, host, path, data)
        text = data.removeprefix(BOM_UTF8).decode()
    return ConfigFile(path, text, data, found)


def write(file: ConfigFile, text: str) -> Startup:
    """Show how `text` differs from the file, write it, and return what the gateway makes of it.

    Raises ConfigError, and writes nothing, if the gateway could not read it.
    """
    from llms_core import startup
    from llms_core.config.replace_file import replace_file

    data = text.encode()
    if file.data is not None and file.data.startswith(BOM_UTF8):
        data = BOM_UTF8 + data
    changed = startup.preview(file.startup.plugins_toml, file.startup.host, file.path, data)
    _show_difference(file, text)
    backup = replace_file(file.path, file.data, data)
    if backup is None:
        click.echo(f"{file.path}: created, as there was no llms.json")
    else:
        click.echo(f"{file.path}: changed; what it contained before is in {backup}")
    return changed


def _show_difference(file: ConfigFile, text: str) -> None:
    from llms_core.secret import redact

    path = str(file.path)
    lines = difflib.unified_diff(
        file.text.splitlines(), text.splitlines(), path, path, n=_CONTEXT_LINES, lineterm=""
    )
    for line in lines:
        # The lines around a change may contain keys.
        click.echo(styled(redact(line), _COLOURS.get(line[:1])))
