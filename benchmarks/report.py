"""Figures as text: Markdown tables, a description of the machine, and progress messages."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path


def figure(value: float | None) -> str:
    """Format a value with three significant digits; None becomes a dash."""
    if value is None:
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a Markdown table. All columns but the first are right-aligned."""
    alignment = ["---"] + ["---:"] * (len(heads) - 1)
    lines = [heads, alignment, *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def machine() -> str:
    """Describe the date, the machine and the interpreter."""
    date = time.strftime("%Y-%m-%d")
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{date}, {_processor()}, {os.cpu_count()} cores, {python}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.startswith("model name"):
            return value.strip()
    return platform.machine()  # ARM kernels have no model name


def say(text: str) -> None:
    """Print a progress message to stderr, apart from the result."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def show(text: str) -> None:
    """Print a part of the result."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
