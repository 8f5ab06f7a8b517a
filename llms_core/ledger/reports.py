"""What the ledger tells: sums by day, model, caller and so on, and single requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from llms_core.errors import ConfigError
from llms_core.ledger.database import Database
from llms_core.ledger.schema import ATTEMPT_COLUMNS, DAILY_KEYS, MEASURES, REQUEST_COLUMNS

DIMENSIONS: Mapping[str, str] = {
    "key": "caller",
    "model": "model",
    "provider": "provider",
    "upstream-model": "upstream_model",
    "operation": "operation",
    "tag": "tag",
    "day": "day",
}
"""What sums may be grouped by, and the columns of it."""

Json = dict[str, Any]


class Usage(NamedTuple):
    """The sums of one group."""

    #: the values of the dimensions, in their order
    group: tuple[Any, ...]
    #: by the names of `MEASURES`
    measures: Mapping[str, float]


def usage(
    database: Database,
    by: Sequence[str],
    since: int,
    until: int,
    only: Mapping[str, str] | None = None,
) -> list[Usage]:
    """Return the sums of the days from `since` to `until`, grouped by dimensions; the dearest group first.

    Days are counted from 1970-01-01. `only` are values that dimensions must have. Raises Unavailable, and ConfigError
    for dimensions that are not kept together.
    """
    only = only or {}
    columns = [DIMENSIONS[name] for name in by]
    filters = [DIMENSIONS[name] for name in only]
    table = "usage_daily"
    if "tag" in (*columns, *filters):
        table = "usage_daily_tags"
        if others := sorted({*columns, *filters} & set(DAILY_KEYS) - {"day"}):
            raise ConfigError(
                f"sums by tag are not kept by {others[0]}", hint="by tag and by day is possible"
            )
    mark = database.placeholder
    sums = ", ".join(f"SUM({name})" for name in MEASURES)
    selected = ", ".join([*columns, sums])
    conditions = " AND ".join(
        [f"day BETWEEN {mark} AND {mark}", *(f"{column} = {mark}" for column in filters)]
    )
    statement = f"SELECT {selected} FROM {table} WHERE {conditions}"
    if columns:
        statement += f" GROUP BY {', '.join(columns)}"
    found = database.query(statement, (since, until, *only.values()))
    width = len(columns)
    rows = [Usage(row[:width], _measures(row[width:])) for row in found]
    if "day" in by:
        return sorted(rows, key=lambda row: row.group)
    return sorted(rows, key=_by_cost, reverse=True)


def total(rows: Sequence[Usage]) -> Usage:
    """Return the sums of all groups. By tag it counts a request once for each of its tags."""
    return Usage((), {name: sum(row.measures[name] for row in rows) for name in MEASURES})


def request(database: Database, beginning: str) -> tuple[Json, list[Json]] | None:
    """Return the request whose id begins like this, and its attempts; None if there is none.

    Raises Unavailable, and ConfigError if there are several.
    """
    mark = database.placeholder
    columns = ", ".join(REQUEST_COLUMNS)
    # Ids are hexadecimal: `g` comes after whatever may follow.
    statement = f"SELECT {columns} FROM requests WHERE id >= {mark} AND id < {mark} LIMIT 2"
    found = database.query(statement, (beginning.lower(), f"{beginning.lower()}g"))
    if not found:
        return None
    if len(found) > 1:
        raise ConfigError(f"several requests begin with '{beginning}'", hint="type more of its id")
    row = dict(zip(REQUEST_COLUMNS, found[0], strict=True))
    columns = ", ".join(ATTEMPT_COLUMNS)
    statement = f"SELECT {columns} FROM attempts WHERE request_id = {mark} ORDER BY number"
    attempts = database.query(statement, (row["id"],))
    return row, [dict(zip(ATTEMPT_COLUMNS, attempt, strict=True)) for attempt in attempts]


def content(database: Database, request_id: str) -> tuple[str, str] | None:
    """Return the texts of a request and its answer; None if they are not kept. Raises Unavailable."""
    mark = database.placeholder
    found = database.query(
        f"SELECT request, answer FROM contents WHERE request_id = {mark}", (request_id,)
    )
    if found:
        return (found[0][0] or "", found[0][1] or "")
    return None


def _measures(values: Sequence[Any]) -> Mapping[str, float]:
    # A sum of no rows is null, and PostgreSQL's sums of whole numbers are decimals.
    return {name: _number(value) for name, value in zip(MEASURES, values, strict=True)}


def _number(value: Any) -> float:
    if value is None:
        return 0
    if isinstance(value, int | float):
        return value
    return int(value)


def _by_cost(row: Usage) -> tuple[float, float]:
    return row.measures["cost"], row.measures["requests"]
