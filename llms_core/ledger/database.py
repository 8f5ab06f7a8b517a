"""The database of the ledger: batches go in whole and once, whatever happens in between.

The statements are plain SQL, the same for SQLite and PostgreSQL, and run on the drivers alone. SQLAlchemy was measured
first: its import costs half a second and 35 MB in every worker, and Alembic's a quarter more, which is more than the
rest of the gateway takes to start; for eight tables that grow by additions there is little that it would do.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llms_core.errors import LlmsError
from llms_core.ledger import rows, schema
from llms_core.ledger.rows import SECONDS_PER_DAY, Batch
from llms_core.ledger.spill import Texts
from llms_core.records import id_at

#: Seconds for which the number of a batch is remembered. A file that has waited longer is one that nobody wrote.
_BATCH_MEMORY = 30 * SECONDS_PER_DAY

_CREATE_VERSION = "CREATE TABLE IF NOT EXISTS ledger_schema (version BIGINT NOT NULL, oldest_writer BIGINT NOT NULL)"

_CONTENT_COLUMNS = ("request_id", "started", "request", "answer")


class Unavailable(LlmsError):
    """The database cannot be used now. Whatever was being written is not in it, or is known by its batch."""


class Unwritable(LlmsError):
    """The database refuses these rows, and would again."""


class Database(ABC):
    """A connection to the database, which is opened when it is needed and after it has broken."""

    #: How the driver marks a parameter.
    placeholder: str
    #: The statement that begins a transaction which will write.
    begin = "BEGIN"

    def __init__(self) -> None:
        self._connection: Any = None

    @property
    @abstractmethod
    def place(self) -> str:
        """Where the ledger is, for messages; without a password."""

    @abstractmethod
    def _connect(self) -> Any:
        """Open a connection in which every statement is its own transaction, unless one is begun."""

    @abstractmethod
    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn the driver's errors into Unavailable and Unwritable."""

    def write(self, number: str, batch: Batch, texts: Sequence[Texts] = ()) -> bool:
        """Write a batch and texts; False if that has been done before. Raises Unavailable or Unwritable."""
        placeholder = self.placeholder
        with self._transaction() as cursor:
            # Another worker may be writing the same batch: then this waits for the end of its transaction.
            claim = f"{schema.insert('batches', ('id', 'written'), placeholder)} ON CONFLICT (id) DO NOTHING"
            cursor.execute(claim, (number, time.time()))
            if cursor.rowcount == 0:
                return False
            columns = (*schema.REQUEST_COLUMNS, *schema.ONLY_ATTEMPT_COLUMNS)
            self._insert_rows(cursor, "requests", columns, batch.requests)
            self._insert_rows(cursor, "other_attempts", schema.ATTEMPT_COLUMNS, batch.attempts)
            daily = schema.add_up("usage_daily", schema.DAILY_KEYS, placeholder)
            self._insert(cursor, daily, list(rows.days_of(batch)))
            tags = schema.add_up("usage_daily_tags", schema.TAG_KEYS, placeholder)
            self._insert(cursor, tags, list(rows.tag_days_of(batch)))
            contents = f"{schema.insert('contents', _CONTENT_COLUMNS, placeholder)} ON CONFLICT (request_id) DO NOTHING"
            self._insert(cursor, contents, texts)
        return True

    def remove_old(self, before: float) -> int:
        """Remove requests that began before a time, in Unix seconds, with their attempts. Raises Unavailable.

        Returns how many there were. Daily sums stay.
        """
        mark = self.placeholder
        with self._transaction() as cursor:
            # Few at a time, so that no batch has to wait for long.
            old = f"SELECT id FROM requests WHERE id < {mark} AND started < {mark} ORDER BY id LIMIT 1000"
            values = (id_at(before), before)
            cursor.execute(f"DELETE FROM other_attempts WHERE request_id IN ({old})", values)
            cursor.execute(f"DELETE FROM contents WHERE request_id IN ({old})", values)
            cursor.execute(f"DELETE FROM requests WHERE id IN ({old})", values)
            removed = int(cursor.rowcount)
            cursor.execute(
                f"DELETE FROM batches WHERE written < {mark}", (time.time() - _BATCH_MEMORY,)
            )
        return removed

    def newest(self) -> float | None:
        """Return when the newest request began, in Unix seconds. Raises Unavailable."""
        found = self.query("SELECT started FROM requests ORDER BY id DESC LIMIT 1")
        if not found:
            return None
        newest: float = found[0][0]
        return newest

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query. Raises Unavailable."""
        with self._errors():
            cursor = self._opened().cursor()
            cursor.execute(statement, tuple(values))
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found

    def close(self) -> None:
        """Close the connection. The next use opens another."""
        connection = self._connection
        self._connection = None
        if connection is not None:
            connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        with self._errors():
            cursor = self._opened().cursor()
            cursor.execute(self.begin)
            try:
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                self._roll_back(cursor)
                raise

    def _roll_back(self, cursor: Any) -> None:
        """End a transaction that has failed, if there is still a connection."""
        try:
            cursor.execute("ROLLBACK")
        # The first error tells the reason. Without a connection, the database ends the transaction itself.
        except Exception:
            self.close()

    def _insert_rows(
        self, cursor: Any, table: str, columns: tuple[str, ...], found: Sequence[rows.Row]
    ) -> None:
        """Insert rows into a table."""
        self._insert(cursor, schema.insert(table, columns, self.placeholder), found)

    def _insert(self, cursor: Any, statement: str, found: Sequence[Any]) -> None:
        if found:
            cursor.executemany(statement, found)

    def _opened(self) -> Any:
        if self._connection is None:
            connection = self._connect()
            try:
                self._migrate(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _migrate(self, connection: Any) -> None:
        """Bring the tables up to date. Raises Unavailable if only newer software can write to them."""
        cursor = connection.cursor()
        if self._version(cursor) == schema.VERSION:
            return
        cursor.execute(self.begin)
        try:
            self._lock_schema(cursor)
            # Another worker may have been faster.
            cursor.execute(_CREATE_VERSION)
            version = self._version(cursor)
            for statements in schema.MIGRATIONS[version:]:
                for statement in statements:
                    cursor.execute(statement)
            if version < schema.VERSION:
                cursor.execute("DELETE FROM ledger_schema")
                statement = schema.insert(
                    "ledger_schema", ("version", "oldest_writer"), self.placeholder
                )
                cursor.execute(statement, (schema.VERSION, schema.OLDEST_WRITER))
            cursor.execute("COMMIT")
        except BaseException:
            cursor.execute("ROLLBACK")
            raise

    def _version(self, cursor: Any) -> int:
        if not self._has_schema(cursor):
            return 0
        cursor.execute("SELECT version, oldest_writer FROM ledger_schema")
        found = cursor.fetchone()
        if found is None:
            return 0
        version, oldest_writer = found
        if oldest_writer > schema.VERSION:
            raise Unavailable(
                f"{self.place} was written by a newer version of llms: upgrade llms-core"
            )
        return min(int(version), schema.VERSION)

    @abstractmethod
    def _has_schema(self, cursor: Any) -> bool:
        """Whether there is the table of the schema's version."""

    def _lock_schema(self, cursor: Any) -> None:  # noqa: B027 - SQLite's transaction does that already
        """Keep other workers from changing the tables until the transaction ends."""
