"""How an answer is printed: while it arrives on a terminal, whole into a pipe, or as JSON."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import Protocol

import click
import msgspec

from llms_core.cli.answering import Reply
from llms_core.cli.terminal import printable
from llms_core.cli.verbosity import chosen


class Printer(Protocol):
    """Prints one answer."""

    #: Whether it prints the answer while it arrives.
    streams: bool
    #: Whether it prints the whole answer, of which the text is a part.
    prints_all: bool

    def prepare(self) -> None:
        """Get ready to print, while the answer is awaited."""

    def write(self, text: str) -> None:
        """Print the next piece of a streamed answer."""

    def finish(self, reply: Reply) -> None:
        """Print the end of a complete answer, or the whole of it if it was not streamed."""

    def stop(self) -> None:
        """Leave the terminal in order: the answer broke off."""


class Text:
    """Prints the text as it arrives, for a terminal."""

    streams = True
    prints_all = False

    def __init__(self) -> None:
        self._is_at_start = True

    def prepare(self) -> None:
        """Do nothing."""

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
    prints_all = False

    def prepare(self) -> None:
        """Do nothing."""

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

    prints_all = True

    def finish(self, reply: Reply) -> None:
        """Print the answer as JSON."""
        click.echo(msgspec.json.format(reply.completion, indent=2))


def printer(*, raw: bool = False, whole: bool = False, markdown: bool = False) -> Printer:
    """Return what prints the answer: as JSON if it is `raw`, and as it arrives only on a terminal, unless `whole`."""
    if raw:
        return Json()
    if whole or not sys.stdout.isatty():
        return Whole()
    if markdown:
        from llms_core.cli.ask.markdown import Markdown

        return Markdown()
    return Text()


def may_render(ctx: click.Context) -> bool:
    """Whether Markdown can be rendered: by rich, on a terminal that draws, and that no log is written to."""
    has_terminal = os.environ.get("TERM") != "dumb" and not chosen(ctx).verbose
    return has_terminal and find_spec("rich") is not None
