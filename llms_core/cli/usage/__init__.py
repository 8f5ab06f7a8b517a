"""`llms usage`: what was used, by whom, and what it cost."""

from __future__ import annotations

from pathlib import Path

import click

from llms_core.cli.files import files

_DIMENSIONS = ("key", "model", "provider", "upstream-model", "operation", "tag", "day")


@click.command(short_help="Show tokens and costs by key, model, provider, tag or day.")
@click.option(
    "-b",
    "--by",
    multiple=True,
    type=click.Choice(_DIMENSIONS),
    help="What to group by; may be repeated. [model]",
)
@click.option("--since", default="30d", show_default=True, metavar="DAY", help="The first day.")
@click.option("--until", default="today", show_default=True, metavar="DAY", help="The last day.")
@click.option("--key", help="Only requests of this key.")
@click.option("--model", help="Only this model.")
@click.option("--provider", help="Only this provider.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="As CSV.")
@click.option("--chart", is_flag=True, help="With a bar for each row.")
@files
@click.pass_context
def command(
    ctx: click.Context,
    by: tuple[str, ...],
    since: str,
    until: str,
    key: str | None,
    model: str | None,
    provider: str | None,
    as_json: bool,
    as_csv: bool,
    chart: bool,
    config: Path | None,
    plugins: Path | None,
) -> None:
    """Show what the requests of the gateway used and cost, as the ledger has it.

    Days are in UTC: 2026-11-01, today, yesterday, or 7d for the last seven days. Costs are those of answers whose price
    is known; the column `unpriced` counts all others. By tag, a request counts for each of its tags.

    \b
      llms usage
      llms usage --by key --by model --since 2026-11-01
      llms usage --by day --chart
      llms usage --by tag --csv > usage.csv
    """
    from llms_core.cli.ledger import opened
    from llms_core.cli.usage import days, show
    from llms_core.ledger import reports

    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    dimensions = by or ("model",)
    period = days.period(since, until)
    only = {
        name: value
        for name, value in (("key", key), ("model", model), ("provider", provider))
        if value
    }
    with opened(ctx, plugins) as database:
        found = []
        if database is not None:
            found = reports.usage(database, dimensions, period.first, period.last, only)
    report = show.Report(dimensions, period, found)
    if as_json:
        show.as_json(report)
    elif as_csv:
        show.as_csv(report)
    else:
        show.as_table(report, chart=chart)
