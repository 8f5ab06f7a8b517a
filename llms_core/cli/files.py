"""The options that name the two configuration files, and the tables that commands print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])

# click lists options in reverse order of decoration.
_OPTIONS = {"plugins": "The plugins.toml to use.", "config": "The llms.json to use."}


def files(function: Function) -> Function:
    """Add the options `--config` and `--plugins`, which may also be given before the command."""
    for name, help_text in _OPTIONS.items():
        option = click.option(
            f"--{name}", type=click.Path(path_type=Path), callback=_default_to_group_option, help=help_text
        )
        function = option(function)
    return function


def _default_to_group_option(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    if value is not None:
        return value
    group_value: Path | None = ctx.find_root().params.get(param.name or "")
    return group_value


def table(rows: Sequence[Sequence[str]], indent: str = "") -> None:
    """Print rows in columns, each as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        click.echo(indent + "  ".join(cells).rstrip())
