"""What `llms add` asks on a terminal. Without one, or with `--yes`, the defaults are taken."""

from __future__ import annotations

import sys

import click


class Questions:
    """Asks the user, if there is one."""

    def __init__(self, *, wanted: bool):
        """Ask only if that is `wanted`, and only on a terminal."""
        self.possible = wanted and sys.stdin.isatty()

    def text(self, question: str, *, option: str, default: str | None = None) -> str:
        """Return an answer, or the default. Raises UsageError if nobody can be asked and there is no default."""
        if self.possible:
            answer: str = click.prompt(
                question, default=default, show_default=bool(default), err=True
            )
            return answer.strip()
        if default is None:
            raise click.UsageError(f"{option} is missing, and there is nobody to ask")
        return default

    def hidden(self, question: str) -> str:
        """Return an answer that is not shown while it is typed; nothing if nobody can be asked."""
        if not self.possible:
            return ""
        answer: str = click.prompt(
            question, default="", show_default=False, hide_input=True, err=True
        )
        return answer.strip()

    def agreed(self, question: str) -> bool:
        """Whether the user says yes; nobody does if nobody can be asked."""
        return self.possible and click.confirm(question, err=True)
