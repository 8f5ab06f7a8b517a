"""Whether standard output has taken what a command printed."""

from __future__ import annotations

import errno
import os
import sys

#: What a full or broken disk reports.
_CANNOT_BE_WRITTEN = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def reason_unwritten(ended: BaseException) -> str | None:
    """Return why standard output did not take everything, at the end of a command; None if that need not be said.

    Nothing is said of a pipe whose reader has left, and of a command that has failed with its own message.
    """
    error = _flush()
    if error is None and isinstance(ended, OSError) and ended.filename is None:
        error = ended
    if error is None or error.errno not in _CANNOT_BE_WRITTEN:
        return None
    if isinstance(ended, SystemExit) and ended.code:
        return None
    return error.strerror


def _flush() -> OSError | None:
    """Pass on what is in the buffer of standard output, and return the error if that is not possible."""
    # Without a standard output, it is None.
    if sys.stdout is None or sys.stdout.closed:
        return None
    try:
        sys.stdout.flush()
    except OSError as error:
        # Python would try again at its end, and report that in its own way.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        return error
    return None
