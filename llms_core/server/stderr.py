"""Writes to stderr, which may be closed, full, or a pipe that nobody reads: none of these may stop a server."""

from __future__ import annotations

import logging
import os
import select
import sys
from collections.abc import Callable
from pathlib import Path

_STDERR = 2

# A pipe that is ready for writing takes at least so much at once without blocking.
_MAX_PIECE = getattr(select, "PIPE_BUF", 512)

# How long to wait for a reader that has fallen behind, once: the event loop stands still meanwhile.
_TIMEOUT_MS = 100


def open_standard_streams() -> None:
    """Let standard streams that were closed by whoever started this process lead nowhere.

    Otherwise the next file or socket would get the number of one of them, and receive what is written to it.
    """
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor <= _STDERR:
        # Child processes inherit a new descriptor only if this is set.
        os.set_inheritable(descriptor, True)
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Open for the life of the process.
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115
            setattr(sys, name, stream)


class Stderr:
    """Writes whole lines, and drops those that cannot be written. Their number is written as soon as any can."""

    def __init__(self, describe_loss: Callable[[str], str] = str) -> None:
        """`describe_loss` makes a line of the message that lines were lost."""
        self._is_writable = _writability()
        self._is_stuck = False
        self._lost = 0
        self._describe_loss = describe_loss

    def write(self, text: str) -> None:
        """Write some lines, if possible."""
        if self._lost:
            loss = self._describe_loss(f"llms: {self._lost} lines of the log could not be written")
            text = f"{loss}\n{text}"
        data = text.encode("utf-8", "backslashreplace")
        try:
            while data:
                if not self._is_writable(0 if self._is_stuck else _TIMEOUT_MS):
                    self._is_stuck = True
                    self._lost += 1
                    return
                self._is_stuck = False
                data = data[os.write(_STDERR, data[:_MAX_PIECE]) :]
        except OSError:
            self._lost += 1
        else:
            self._lost = 0


class StderrHandler(logging.Handler):
    """Writes log lines to stderr, as `formatter` formats them."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._stderr = Stderr(self._describe_loss)

    def _describe_loss(self, message: str) -> str:
        return self.format(
            logging.makeLogRecord({"name": __name__, "levelname": "WARNING", "msg": message})
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, if possible."""
        try:
            self._stderr.write(f"{self.format(record)}\n")
        except Exception:
            # As in the standard library: an error in a log call must not end what logs.
            self.handleError(record)


def _writability() -> Callable[[int], bool]:
    """Return a function that waits, for some milliseconds, until stderr can be written to without blocking."""
    if not hasattr(select, "poll"):
        return lambda milliseconds: True
    poll = select.poll()
    poll.register(_STDERR, select.POLLOUT)
    return lambda milliseconds: bool(poll.poll(milliseconds))
