"""The options `--verbose` and `--logprefix`, which every command has."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

Function = TypeVar("Function", bound=Callable[..., Any])


class Verbosity(msgspec.Struct):
    """What the options say, given before the command's name or after it."""

    verbose: bool = False
    logprefix: str = ""


def verbosity(function: Function) -> Function:
    """Add `--verbose` and `--logprefix` to a command. They take effect at once, and are no parameters of it."""
    function = click.option(
        "--logprefix",
        metavar="TEXT",
        is_eager=True,
        expose_value=False,
        callback=_set_prefix,
        help="What each line of the log begins with.",
    )(function)
    return click.option(
        "--verbose",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_set_verbose,
        help="A detailed log on stderr; also with VERBOSE=1 in the environment.",
    )(function)


def chosen(ctx: click.Context) -> Verbosity:
    """Return what the options of this run say so far."""
    found: Verbosity | None = ctx.meta.get(__name__)
    if found is None:
        # llms.py's variable and its values.
        found = Verbosity(verbose=os.environ.get("VERBOSE", "").lower() in ("1", "true"))
        ctx.meta[__name__] = found
    return found


def _set_verbose(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    choice = chosen(ctx)
    choice.verbose = choice.verbose or value
    _apply(choice)


def _set_prefix(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    choice = chosen(ctx)
    choice.logprefix = value or choice.logprefix
    _apply(choice)


def _apply(choice: Verbosity) -> None:
    """Configure the log. Only if it is wanted, because `llms --help` has to be fast."""
    if not choice.verbose:
        return
    import logging

    from llms_core.server import logs

    logs.configure(logging.DEBUG, choice.logprefix)
