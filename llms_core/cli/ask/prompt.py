"""The prompt: the words of the command line, standard input if something is piped in, or both."""

from __future__ import annotations

import stat
import sys
from collections.abc import Sequence
from os import fstat

from llms_core.errors import ConfigError


def read(words: Sequence[str], max_bytes: int, *, reads_stdin: bool) -> str:
    """Return the words and what is piped in, which follows them; empty if there is neither. Raises ConfigError."""
    parts = [" ".join(words), _piped(max_bytes) if reads_stdin else ""]
    return "\n\n".join(part for part in parts if part.strip())


def _piped(max_bytes: int) -> str:
    """The text on standard input, unless it is a terminal or a device: reading could wait for ever."""
    if not _is_piped():
        return ""
    data = sys.stdin.buffer.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ConfigError(f"standard input exceeds {max_bytes} bytes")
    try:
        return data.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        hint = (
            "pass a picture, a recording or a document with `--image -`, `--audio -` or `--file -`"
        )
        raise ConfigError("standard input is not text in UTF-8", hint=hint) from None


def _is_piped() -> bool:
    try:
        mode = fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        # Closed, or replaced by something that is no file.
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)
