"""The options that most commands have, and the tables that commands print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from llms_core.cli.verbosity import verbosity

Function = TypeVar("Function", bound=Callable[..., Any])


def files(function: Function) -> Function:
    """Add `--config`, `--plugins`, `--verbose` and `--logprefix` to a command.

    They may also be given before its name. The command gets `config` and `plugins`.
    """
    path = click.Path(path_type=Path)
    function = verbosity(function)
    function = click.option(
        "--plugins", type=path, callback=_or_global, help="The plugins.toml to use."
    )(function)
    return click.option("--config", type=path, callback=_or_global, help="The llms.json to use.")(
        function
    )


def _or_global(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    """The option's value, or else that of the option of the same name before the command."""
    if value is not None:
        return value
    global_value: Path | None = ctx.find_root().params.get(param.name or "")
    return global_value


def table(rows: Sequence[Sequence[str]], indent: str = "") -> None:
    """Print rows in columns that are as wide as their widest cell."""
    columns = zip(*rows, strict=True)
    widths = [max(map(len, column)) for column in columns]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        line = indent + "  ".join(cells)
        click.echo(line.rstrip())
