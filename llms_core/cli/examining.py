"""What commands report about plugins: everything that a start of the server, or any other command, would find."""

from __future__ import annotations

from pathlib import Path

import click

from llms_core.cli import COMMANDS
from llms_core.server.examination import Examination, examine_start


def examined(config: Path | None, plugins: Path | None, *, strict: bool = False) -> Examination:
    """Examine a start of the server, and the plugins' commands. Raises ConfigError if plugins.toml is invalid."""
    found = examine_start(config, plugins, strict=strict)
    found.startup.host.commands(click.Group("llms"), COMMANDS)
    return found
