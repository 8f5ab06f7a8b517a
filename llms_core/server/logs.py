"""The log of the server and of the command line: on stderr, without secrets."""

from __future__ import annotations

import logging
import re

from llms_core.secret import redact
from llms_core.server.stderr import StderrHandler

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")  # all but the line feed
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


notices = logging.getLogger("llms_core.notices")
"""What the user of the terminal should know, whatever the level of the log is."""


class _RedactingFormatter(logging.Formatter):
    """Removes known secrets from log lines and their tracebacks.

    A provider's text may contain line breaks and control characters: only the first line of a record may look like one.
    """

    def __init__(self, prefix: str):
        super().__init__(_FORMAT)
        self._prefix = prefix

    def format(self, record: logging.LogRecord) -> str:
        text = _notice(record) if record.name == notices.name else super().format(record)
        text = _CONTROL_CHARACTERS.sub("?", text)
        return self._prefix + redact(text.replace("\n", "\n    "))


def _notice(record: logging.LogRecord) -> str:
    """A line like those of commands: it is read by somebody, and not searched."""
    label = "llms: warning" if record.levelno > logging.INFO else "llms"
    return f"{label}: {record.getMessage()}"


def configure(level: int, prefix: str = "") -> None:
    """Log our own records from `level`, those of libraries from WARNING or `level`; each begins with `prefix`.

    Notices are always there.
    """
    handler = StderrHandler()
    handler.setFormatter(_RedactingFormatter(prefix))
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
    logging.getLogger("llms_core").setLevel(level)
    notices.setLevel(min(level, logging.INFO))
