"""The tables of the ledger, and how a database of an earlier version becomes one of this version.

SQLite and PostgreSQL understand the same statements. From the first release on, a migration only adds tables, indexes,
and columns that may be null: workers of the previous version, which name the columns that they write, go on while the
new ones start. Workers of a version that cannot write any more keep records in files, which the new ones read.
"""

from __future__ import annotations

REQUEST_COLUMNS = (
    "id",
    "started",
    "day",
    "caller",
    "dialect",
    "operation",
    "model",
    "served_model",
    "provider",
    "upstream_model",
    "status",
    "kind",
    "error_code",
    "at_fault",
    "stream",
    "truncated",
    "cancelled",
    "attempts",
    "duration",
    "overhead",
    "first_token",
    "tags",
    "metadata",
    "user_name",
    "input",
    "cached",
    "cache_write",
    "output",
    "reasoning",
    "audio_input",
    "audio_output",
    "image_input",
    "image_output",
    "images",
    "seconds",
    "cost",
    "cost_source",
)

ATTEMPT_COLUMNS = (
    "request_id",
    "number",
    "kind",
    "message",
    "started",
    "provider",
    "provider_type",
    "model",
    "upstream_model",
    "status",
    "at_fault",
    "duration",
    "first_token",
    "chunks",
    "service_tier",
    "cost",
    "cost_source",
    "input",
    "cached",
    "cache_write",
    "output",
    "reasoning",
    "audio_input",
    "audio_output",
    "image_input",
    "image_output",
    "images",
    "seconds",
)

ONLY_ATTEMPT_COLUMNS = (
    "attempt_started",
    "attempt_duration",
    "attempt_first_token",
    "provider_type",
    "chunks",
    "service_tier",
)
"""Further columns of a request that succeeded at its first attempt: what only that attempt has. Most requests are such,
and a further row for each would double the time that the ledger takes."""

COUNTS = (
    "input",
    "cached",
    "cache_write",
    "output",
    "reasoning",
    "audio_input",
    "audio_output",
    "image_input",
    "image_output",
    "images",
    "seconds",
)
"""The counts of an answer, by their names in `Tokens`."""

MEASURES = (
    "requests",
    "failed",
    "cancelled",
    "attempts",
    "unpriced",
    "unmetered",
    "duration",
    "cost",
    *COUNTS,
)
"""What is summed up. `unpriced` are attempts whose usage is known and whose price is not; `unmetered` those that gave
at least a part of an answer, and whose provider reported no usage."""

DAILY_KEYS = ("day", "caller", "model", "provider", "upstream_model", "operation")
TAG_KEYS = ("day", "tag")

_REALS = frozenset(
    {
        "started",
        "duration",
        "overhead",
        "first_token",
        "seconds",
        "cost",
        "written",
        "attempt_started",
        "attempt_duration",
        "attempt_first_token",
    }
)
_TEXTS = frozenset({
    "id",
    "request_id",
    "caller",
    "dialect",
    "operation",
    "model",
    "served_model",
    "provider",
    "provider_type",
    "upstream_model",
    "kind",
    "error_code",
    "at_fault",
    "tags",
    "metadata",
    "user_name",
    "message",
    "service_tier",
    "cost_source",
    "tag",
    "request",
    "answer",
})  # fmt: skip


def _type(column: str) -> str:
    if column in _TEXTS:
        return "TEXT"
    return "DOUBLE PRECISION" if column in _REALS else "BIGINT"


def _table(name: str, columns: tuple[str, ...], key: tuple[str, ...]) -> str:
    required = (*key, *(MEASURES if "daily" in name else ()))
    lines = [
        f"{column} {_type(column)}{' NOT NULL' if column in required else ''}" for column in columns
    ]
    return f"CREATE TABLE {name} ({', '.join(lines)}, PRIMARY KEY ({', '.join(key)}))"


_OF_ONLY_ATTEMPT = {
    "request_id": "id",
    "number": "1",
    "kind": "NULL",
    "message": "NULL",
    "started": "attempt_started",
    "model": "served_model",
    "status": "NULL",
    "at_fault": "NULL",
    "duration": "attempt_duration",
    "first_token": "attempt_first_token",
}
"""Columns of an attempt -> what a request that has only this one has instead of a column of the same name."""


def _all_attempts() -> str:
    """Return the statement that shows all attempts as one table, wherever they are stored."""
    columns = ", ".join(ATTEMPT_COLUMNS)
    of_request = ", ".join(_OF_ONLY_ATTEMPT.get(name, name) for name in ATTEMPT_COLUMNS)
    return (
        f"CREATE VIEW attempts AS SELECT {columns} FROM other_attempts "
        f"UNION ALL SELECT {of_request} FROM requests WHERE attempt_started IS NOT NULL"
    )


MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        _table("requests", REQUEST_COLUMNS, ("id",)),
        "CREATE INDEX requests_started ON requests (started)",
        _table("attempts", ATTEMPT_COLUMNS, ("request_id", "number")),
        _table("usage_daily", (*DAILY_KEYS, *MEASURES), DAILY_KEYS),
        _table("usage_daily_tags", (*TAG_KEYS, *MEASURES), TAG_KEYS),
        # The batches that have been written, so that none is written twice.
        _table("batches", ("id", "written"), ("id",)),
        _table("contents", ("request_id", "started", "request", "answer"), ("request_id",)),
    ),
    (
        "ALTER TABLE attempts RENAME TO other_attempts",
        *(f"ALTER TABLE requests ADD COLUMN {name} {_type(name)}" for name in ONLY_ATTEMPT_COLUMNS),
        _all_attempts(),
        # The ids begin with the time.
        "DROP INDEX requests_started",
    ),
)
"""The statements that lead from each version of the schema to the next."""

VERSION = len(MIGRATIONS)

OLDEST_WRITER = 2
"""The oldest version of the schema whose software can write to a database of this one."""


def insert(table: str, columns: tuple[str, ...], placeholder: str, rows: int = 1) -> str:
    """Return the statement that inserts rows."""
    row = f"({', '.join([placeholder] * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * rows)}"


def add_up(table: str, keys: tuple[str, ...], placeholder: str) -> str:
    """Return the statement that adds the measures of a row to those of the row with the same key."""
    sums = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in MEASURES)
    return f"{insert(table, (*keys, *MEASURES), placeholder)} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {sums}"
