"""Prints an answer as Markdown on a terminal, while it arrives. Needs rich, from the extra `cli`.

Finished blocks are printed for good. Only the last block, which may still change, is drawn again and again: it stays
short, and what has scrolled off the screen is never touched.
"""

from __future__ import annotations

import time
from typing import Any

from llms_core.cli.answering import Reply
from llms_core.cli.terminal import printable

#: How often the last block is drawn, per second.
_REFRESH_RATE = 10


class Markdown:
    """Prints one answer."""

    streams = True
    prints_all = False

    def __init__(self) -> None:
        self._last_block = ""
        self._has_printed = False
        self._next_look = 0.0
        self._console: Any = None
        self._live: Any = None
        self._parser: Any = None

    def prepare(self) -> None:
        """Import rich, which takes a tenth of a second, while the provider is still thinking."""
        if self._live is not None:
            return
        from markdown_it import MarkdownIt
        from rich.console import Console
        from rich.live import Live

        # The rules by which rich reads Markdown.
        self._parser = MarkdownIt().enable("strikethrough").enable("table")
        self._console = Console(highlight=False)
        self._live = Live(
            console=self._console,
            get_renderable=self._draw,
            refresh_per_second=_REFRESH_RATE,
            transient=True,
            vertical_overflow="ellipsis",
        )

    def write(self, text: str) -> None:
        """Add a piece of the answer."""
        self.prepare()
        if not self._live.is_started:
            self._live.start()
        self._last_block += printable(text)
        now = time.monotonic()
        # Not for each piece: all of the block is parsed again.
        if now >= self._next_look:
            self._next_look = now + 1 / _REFRESH_RATE
            self._print_finished_blocks()

    def finish(self, reply: Reply) -> None:
        """Print the last block."""
        self.stop()

    def stop(self) -> None:
        """Print what there is of the last block, and leave the terminal in order."""
        if self._live is None or not self._live.is_started:
            return
        self._live.stop()
        self._print(self._last_block)
        self._last_block = ""

    def _print_finished_blocks(self) -> None:
        tokens = self._parser.parse(self._last_block)
        starts = [token.map[0] for token in tokens if token.level == 0 and token.map]
        if not starts or starts[-1] == 0:
            return
        lines = self._last_block.splitlines(keepends=True)
        self._print("".join(lines[: starts[-1]]))
        self._last_block = "".join(lines[starts[-1] :])

    def _print(self, text: str) -> None:
        if text.strip():
            self._console.print(*self._rendered(text), sep="\n")
            self._has_printed = True

    def _draw(self) -> Any:
        """The last block as it is now. Called by rich's thread."""
        from rich.console import Group

        return Group(*self._rendered(self._last_block))

    def _rendered(self, text: str) -> list[Any]:
        from rich.markdown import Markdown as Rendered

        # Links are written out: where they lead has to be seen, since a model wrote them.
        block = Rendered(text, hyperlinks=False)
        return ["", block] if self._has_printed else [block]
