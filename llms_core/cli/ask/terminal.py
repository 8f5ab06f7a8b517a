"""What may be written to a terminal."""

from __future__ import annotations

import re

#: Control characters, among them those that begin the commands of terminals: a model must not control one.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """Return text without control characters except line feeds and tabs."""
    return _CONTROL.sub("", text)
