"""Reads prompts: a line, several lines, or what the user writes in an editor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from llms_core.config import places

_MAX_HISTORY = 1000
_LEAVE = ("exit", "quit")


def read(is_terminal: bool) -> str | None:
    """Return the next prompt that is not empty; None if there is none, or if the user leaves."""
    while True:
        try:
            text = _command(_line("> ", is_terminal), is_terminal)
        except KeyboardInterrupt:
            # It takes back what was typed.
            click.echo()
            continue
        except click.ClickException as error:
            # There is no editor, for example.
            error.show()
            continue
        except EOFError:
            if is_terminal:
                click.echo()
            return None
        if text.strip() in _LEAVE:
            return None
        if text.strip():
            return text


def _command(line: str, is_terminal: bool) -> str:
    """Return the prompt that a line is, or begins. Raises EOFError, KeyboardInterrupt."""
    word, _, mark = line.strip().partition(" ")
    if word == "!edit":
        return click.edit() or ""
    if word != "!multi":
        return line
    # With a mark, the text may contain `!end`.
    end = f"!end {mark.strip()}".strip()
    lines = []
    while (line := _line(". ", is_terminal)).strip() != end:
        lines.append(line)
    return "\n".join(lines)


def _line(sign: str, is_terminal: bool) -> str:
    return input(sign if is_terminal else "")


@contextmanager
def editing(is_terminal: bool, *, keeps: bool) -> Iterator[None]:
    """Edit lines as in a shell, with the prompts of earlier chats, if Python has readline. `keeps` adds this chat's."""
    try:
        import readline
    except ImportError:
        # On Windows, the terminal does it.
        is_terminal = False
    if not is_terminal:
        yield
        return
    path = places.home(os.environ) / "chat-history"
    with suppress(OSError):
        readline.read_history_file(path)
    readline.set_history_length(_MAX_HISTORY)
    try:
        yield
    finally:
        if keeps:
            with suppress(OSError):
                _own(path)
                readline.write_history_file(path)


def _own(path: Path) -> None:
    """Create a file that nobody else may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
