"""Prints a report: as a table with totals, with bars, as JSON or as CSV."""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import click
import msgspec

from llms_core.cli.terminal import printable
from llms_core.cli.usage.days import Period, text_of
from llms_core.ledger import reports
from llms_core.ledger.reports import Usage
from llms_core.ledger.schema import MEASURES

#: The measures of a table, and their titles.
_COLUMNS = (
    ("requests", "requests"),
    ("failed", "failed"),
    ("input", "input"),
    ("cached", "cached"),
    ("output", "output"),
    ("cost", "cost"),
    ("unpriced", "unpriced"),
)

_BAR = 30
_EIGHTHS = " ▏▎▍▌▋▊▉"
_NONE = "(none)"


class Report(NamedTuple):
    """The sums, and what they are grouped by."""

    by: Sequence[str]
    period: Period
    rows: Sequence[Usage]


def as_table(report: Report, *, chart: bool) -> None:
    """Print a table with totals; with bars, if `chart`."""
    first, last = map(text_of, report.period)
    if not report.rows:
        click.echo(f"No requests from {first} to {last}.", err=True)
        return
    total = reports.total(report.rows)
    lines = [[*report.by, *(title for _, title in _COLUMNS)]]
    lines += [[*_names(report, row), *_figures(row)] for row in report.rows]
    lines.append(["total", *([""] * (len(report.by) - 1)), *_figures(total)])
    bars = _bars(report.rows) if chart else []
    _print(lines, len(report.by), bars)
    _print_notes(total, first, last)


def as_json(report: Report) -> None:
    """Print the sums and their total as JSON."""
    document = {
        "since": text_of(report.period.first),
        "until": text_of(report.period.last),
        "by": list(report.by),
        "rows": [_members(report, row) for row in report.rows],
        "total": reports.total(report.rows).measures,
    }
    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))


def as_csv(report: Report) -> None:
    """Print the sums as CSV, with a line of names."""
    writer = csv.writer(sys.stdout)
    writer.writerow([*report.by, *MEASURES])
    for row in report.rows:
        writer.writerow([*map(_safe, _values(report, row)), *row.measures.values()])


def _members(report: Report, row: Usage) -> Mapping[str, Any]:
    return {**dict(zip(report.by, _values(report, row), strict=True)), **row.measures}


def _values(report: Report, row: Usage) -> list[Any]:
    return [
        text_of(value) if name == "day" else value
        for name, value in zip(report.by, row.group, strict=True)
    ]


def _names(report: Report, row: Usage) -> list[str]:
    return [printable(value) or _NONE for value in _values(report, row)]


def _figures(row: Usage) -> list[str]:
    return [_figure(name, row.measures[name]) for name, _ in _COLUMNS]


def _figure(name: str, value: float) -> str:
    if name == "cost":
        if value >= 100:
            return f"${value:,.2f}"
        return f"${value:,.6f}"
    return f"{value:,.0f}"


def _safe(value: Any) -> Any:
    """Keep a spreadsheet from taking a name, which may be a client's own, for a formula."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value


def _print(lines: Sequence[Sequence[str]], names: int, bars: Sequence[str]) -> None:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for number, line in enumerate(lines):
        # Names are aligned to the left, and figures to the right.
        cells = [
            cell.ljust(width) if column < names else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        text = "  ".join(cells)
        if 0 < number <= len(bars):
            text += f"  {bars[number - 1]}"
        is_total = number == len(lines) - 1
        click.secho(text.rstrip(), bold=number == 0 or is_total)


def _bars(rows: Sequence[Usage]) -> list[str]:
    """A bar for each row: of its cost, or of its tokens if nothing has a price."""
    values = [row.measures["cost"] for row in rows]
    if not any(values):
        values = [row.measures["input"] + row.measures["output"] for row in rows]
    largest = max(values) or 1.0
    width = min(_BAR, max(10, shutil.get_terminal_size().columns // 3))
    return [_bar(value / largest * width) for value in values]


def _bar(length: float) -> str:
    full, rest = divmod(round(length * 8), 8)
    return "█" * full + _EIGHTHS[rest].strip()


def _print_notes(total: Usage, first: str, last: str) -> None:
    click.echo(f"From {first} to {last}, days in UTC.", err=True)
    if unpriced := total.measures["unpriced"]:
        click.echo(
            f"The cost is higher: the price of {unpriced:,.0f} answers is not known. "
            "`llms prices MODEL` shows what is; `pricing` of llms.json sets it.",
            err=True,
        )
    if unmetered := total.measures["unmetered"]:
        click.echo(f"Of {unmetered:,.0f} answers, the provider reported no tokens.", err=True)
