"""How an answer is printed: while it arrives on a terminal, whole into a pipe, or as JSON."""

from __future__ import annotations

import re
import sys
from typing import Protocol

import click
import msgspec

from llms_core.cli.answering import Reply

#: Control characters, among them those that begin the commands of terminals: a model must not control one.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Printer(Protocol):
    """Prints one answer."""

    #: Whether it prints the answer while it arrives.
    streams: bool

    def write(self, text: str) -> None:
        """Print the next piece of a streamed answer."""

    def finish(self, reply: Reply) -> None:
        """Print the end of a complete answer, or the whole of it if it was not streamed."""

    def stop(self) -> None:
        """Leave the terminal in order: the answer broke off."""


class Text:
    """Prints the text as it arrives, for a terminal."""

    streams = True

    def __init__(self) -> None:
        self._is_at_start = True

    def write(self, text: str) -> None:
        """Print a piece."""
        text = printable(text)
        click.echo(text, nl=False)
        self._is_at_start = text.endswith("\n") if text else self._is_at_start

    def finish(self, reply: Reply) -> None:
        """End the line."""
        self.stop()

    def stop(self) -> None:
        """End the line."""
        if not self._is_at_start:
            click.echo()
            self._is_at_start = True


class Whole:
    """Prints the complete text, for pipes and files."""

    streams = False

    def write(self, text: str) -> None:
        """Do nothing: an answer that may still fail is not printed."""

    def finish(self, reply: Reply) -> None:
        """Print the text as the model wrote it, ended by a line feed."""
        text = reply.text if reply.text.endswith("\n") else f"{reply.text}\n"
        # In UTF-8 whatever the locale, and with surrogates that have no encoding replaced.
        click.echo(text.encode("utf-8", "replace"), nl=False)

    def stop(self) -> None:
        """Do nothing."""


class Json(Whole):
    """Prints the whole chat.completion."""

    def finish(self, reply: Reply) -> None:
        """Print the answer as JSON."""
        click.echo(msgspec.json.format(reply.completion, indent=2))


def printer(*, raw: bool) -> Printer:
    """Return what prints the answer, which depends on where it goes."""
    if raw:
        return Json()
    if not sys.stdout.isatty():
        return Whole()
    return Text()


def printable(text: str) -> str:
    """Return text without control characters, for a terminal."""
    return _CONTROL.sub("", text)
