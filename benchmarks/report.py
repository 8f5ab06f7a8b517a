"""Figures as text: tables in Markdown, the machine, and progress."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path


def figure(value: float | None) -> str:
    """Three significant digits; a dash where there is no figure."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; all columns but the first are numbers."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def machine() -> str:
    """What it was measured on, and when."""
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{time.strftime('%Y-%m-%d')}, {model}, {os.cpu_count()} cores, {python}"


def say(text: str) -> None:
    """Tell how far it has come, beside the result."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def show(text: str) -> None:
    """A part of the result."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
