"""Colours, which are only for a terminal."""

from __future__ import annotations

import os

import click


def styled(text: str, colour: str | None) -> str:
    """Return `text` in a colour, unless the user wants none. click leaves it out where output is no terminal."""
    if colour is None or os.environ.get("NO_COLOR"):
        return text
    return click.style(text, fg=colour)
