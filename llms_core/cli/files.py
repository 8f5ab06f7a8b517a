"""The options that name the two files, and the tables that commands print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])


def files(function: Function) -> Function:
    """`--config` and `--plugins`; given before the command they hold, too."""
    for name, help_text in (("plugins", "The plugins.toml to use."), ("config", "The llms.json to use.")):
        kind = click.Path(path_type=Path)
        function = click.option(f"--{name}", type=kind, callback=_or_of_group, help=help_text)(function)
    return function


def _or_of_group(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    given: Path | None = ctx.find_root().params.get(param.name or "") if value is None else value
    return given


def table(rows: Sequence[Sequence[str]], indent: str = "") -> None:
    """Print rows in columns as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(indent + "  ".join(cells).rstrip())
