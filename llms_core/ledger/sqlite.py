"""The ledger in SQLite: a file in the user's folder, which several workers write to."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from llms_core.ledger import schema
from llms_core.ledger.database import Database, Unavailable, Unwritable
from llms_core.ledger.rows import Row

_BUSY_TIMEOUT = 0.3
"""Seconds to wait for another worker. A batch that has waited longer is kept in a file, so that it is not lost if this
process is killed."""

_ROWS = 20
"""Rows of one statement. SQLite before 3.32 takes no more than 999 parameters."""


class Sqlite(Database):
    """A file."""

    placeholder = "?"
    # A transaction that began as a reader could not go on once another worker has written.
    begin = "BEGIN IMMEDIATE"

    def __init__(self, path: Path, *, busy_timeout: float = _BUSY_TIMEOUT, may_create: bool = True):
        super().__init__()
        self._path = path
        self._busy_timeout = busy_timeout
        self._may_create = may_create

    @property
    def place(self) -> str:
        """The file."""
        return str(self._path)

    def _connect(self) -> Any:
        if self._may_create:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite gives its other files the same mode.
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(
            self._path, timeout=self._busy_timeout, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL")
        # What is committed survives the end of the process, but the last moments before a power failure may not.
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (
            sqlite3.IntegrityError,
            sqlite3.DataError,
            sqlite3.InterfaceError,
            OverflowError,
        ) as error:
            raise Unwritable(str(error)) from None
        except (sqlite3.Error, OSError) as error:
            # A connection to a file that was replaced or is damaged stays broken.
            self.close()
            raise Unavailable(f"{self._path}: {error}") from None

    def _has_schema(self, cursor: Any) -> bool:
        cursor.execute("SELECT 1 FROM sqlite_master WHERE name = 'ledger_schema'")
        return cursor.fetchone() is not None

    def _insert_rows(
        self, cursor: Any, table: str, columns: tuple[str, ...], found: Sequence[Row]
    ) -> None:
        # With each statement, the thread gives the interpreter's lock to the event loop and has to wait for it again.
        rest = len(found) % _ROWS
        together = schema.insert(table, columns, self.placeholder, _ROWS)
        for start in range(0, len(found) - rest, _ROWS):
            values = tuple(chain.from_iterable(found[start : start + _ROWS]))
            cursor.execute(together, values)
        super()._insert_rows(cursor, table, columns, found[len(found) - rest :])
