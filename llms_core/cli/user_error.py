"""Deliberate errors of commands: a message without a traceback."""

from __future__ import annotations

from typing import Any

import click

from llms_core.cli.verbosity import chosen


class UserError(click.ClickException):
    """Prints only its message. The exit code is 2: the command line or a file is wrong."""

    exit_code = 2

    def __init__(self, message: str):
        super().__init__(message)
        ctx = click.get_current_context(silent=True)
        self._prefix = "" if ctx is None else chosen(ctx).logprefix

    def show(self, file: Any = None) -> None:
        """Write the message to stderr."""
        click.echo(f"{self._prefix}llms: {self.message}", err=True)


class Failure(UserError):
    """What the user asked for, in a valid way, could not be done. The exit code is 1, as with llms.py."""

    exit_code = 1
