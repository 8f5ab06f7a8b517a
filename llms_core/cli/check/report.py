"""How the results of checks are printed: as lines while they arrive, or as JSON at the end."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
import msgspec

from llms_core.cli.check.probe import Result
from llms_core.cli.terminal import printable, styled


class Lines:
    """Prints each result on a line of its own as soon as it is there, and on a terminal how many are missing."""

    def __init__(self, names: Sequence[str]):
        """Expect a result for each of these names."""
        self._missing = len(names)
        self._width = max(map(len, names), default=0)
        self._shows_progress = sys.stderr.isatty()
        self._show_progress()

    def add(self, result: Result) -> None:
        """Print a result."""
        self._missing -= 1
        self._hide_progress()
        state = styled("ok    ", "green") if result.ok else styled("failed", "red")
        click.echo(
            f"{state}  {name_of(result.provider, result.model).ljust(self._width)}  {_details(result)}".rstrip()
        )
        self._show_progress()

    def finish(self, results: Sequence[Result]) -> None:
        """Print the sum."""
        failed = [result for result in results if not result.ok]
        costs = [result.cost for result in results if result.cost is not None]
        text = f"{len(results) - len(failed)} of {len(results)} answered"
        if costs:
            text += f", for ${sum(costs):.6f}"
        click.echo(text)

    def stop(self) -> None:
        """Leave the terminal in order: the checks are cancelled."""
        self._hide_progress()

    def _show_progress(self) -> None:
        if self._shows_progress and self._missing:
            click.echo(f"waiting for {self._missing} …", err=True, nl=False)

    def _hide_progress(self) -> None:
        if self._shows_progress:
            click.echo("\r\x1b[K", err=True, nl=False)


class Json:
    """Prints all results at the end."""

    def add(self, result: Result) -> None:
        """Do nothing: an array is printed whole."""

    def finish(self, results: Sequence[Result]) -> None:
        """Print the results."""
        click.echo(msgspec.json.format(msgspec.json.encode(results), indent=2))

    def stop(self) -> None:
        """Do nothing."""


def name_of(provider: str, model: str | None) -> str:
    """How a line names what was checked."""
    return provider if model is None else f"{provider}/{model}"


def _details(result: Result) -> str:
    parts = []
    if result.milliseconds is not None:
        parts.append(f"{result.milliseconds:>6} ms")
    if result.cost is not None:
        parts.append(f"${result.cost:.6f}")
    if result.error is not None:
        status = f"{result.error.status} " if result.error.status is not None else ""
        # One line: providers send whole pages.
        parts.append(status + printable(" ".join(result.error.message.split())))
    return "  ".join(parts)
