"""What plugins print while they are loaded."""

from __future__ import annotations

import io
import sys


class Printed(io.TextIOBase):
    """Takes the place of standard output: passes text on to standard error, and remembers whether there was any."""

    def __init__(self) -> None:
        self.any = False

    def write(self, text: str) -> int:
        """Write to standard error."""
        self.any = self.any or bool(text.strip())
        return sys.stderr.write(text)
