"""What is only for a terminal."""

from __future__ import annotations

import os
import re

import click

#: Control characters, among them those that begin the commands of terminals: a model must not control one.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def styled(text: str, colour: str | None) -> str:
    """Return `text` in a colour, unless the user wants none. click leaves it out where output is no terminal."""
    if colour is None or os.environ.get("NO_COLOR"):
        return text
    return click.style(text, fg=colour)


def printable(text: str) -> str:
    """Return text without control characters except line feeds and tabs."""
    return _CONTROL.sub("", text)
