"""Deliberate errors of commands: a message without a traceback."""

from __future__ import annotations

from typing import Any

import click


class UserError(click.ClickException):
    """Prints only its message. The exit code is 2 if the command line or a file is wrong."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Write the message to stderr."""
        click.echo(f"llms: {self.message}", err=True)


class RequestFailed(UserError):
    """A request was not answered. The exit code is 1."""

    exit_code = 1
