"""Stored responses, in SQLite in the user's folder, so that all workers share them.

A response is only found by the caller that created it. The oldest ones are removed when there are too many bytes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from llms_core.config.model import Responses
from llms_core.errors import RequestError

T = TypeVar("T")

log = logging.getLogger(__name__)

#: Seconds to wait for another worker's write.
_BUSY_TIMEOUT = 10.0
#: The share of the maximal size that may be written between two checks of the size.
_UNCHECKED_SHARE = 16

_SCHEMA = """
CREATE TABLE IF NOT EXISTS responses (
    id TEXT PRIMARY KEY,
    caller TEXT NOT NULL,
    created REAL NOT NULL,
    previous TEXT,
    input BLOB NOT NULL,
    response BLOB NOT NULL,
    size INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS by_age ON responses (created, size);
"""

#: Some servers give several responses the same id. Of one caller's, the last one counts.
_INSERT = """
INSERT INTO responses VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
    created = excluded.created,
    previous = excluded.previous,
    input = excluded.input,
    response = excluded.response,
    size = excluded.size
WHERE caller = excluded.caller
"""

_CHAIN = """
WITH RECURSIVE chain (id, previous, depth) AS (
    SELECT id, previous, 0 FROM responses WHERE id = :id AND caller = :caller AND created > :oldest
    UNION ALL
    SELECT earlier.id, earlier.previous, depth + 1 FROM responses AS earlier JOIN chain ON earlier.id = chain.previous
    WHERE earlier.caller = :caller AND earlier.created > :oldest
)
SELECT responses.id, responses.previous, input, response
FROM chain JOIN responses ON responses.id = chain.id ORDER BY depth DESC
"""

_REMOVE_OLDEST = """
DELETE FROM responses WHERE id IN (
    SELECT id FROM (SELECT id, SUM(size) OVER (ORDER BY created DESC, id) AS newer FROM responses) WHERE newer > ?
)
"""


class StoredResponse(NamedTuple):
    """A response as it was sent, and the input of its own request as the client sent it, both in JSON."""

    id: str
    #: the id of the response before it
    previous: str | None
    input: bytes
    response: bytes


class ResponseStore:
    """The stored responses of all callers. The file is opened when it is first needed, in a thread of its own."""

    def __init__(self, settings: Responses, path: Path):
        self.settings = settings
        self._path = path
        self._thread = ThreadPoolExecutor(1, "llms-responses")
        self._connection: sqlite3.Connection | None = None
        self._unchecked_bytes = 0

    @property
    def enabled(self) -> bool:
        """Whether anything is stored."""
        return self.settings.store

    async def save(self, stored: StoredResponse, caller: str) -> bool:
        """Store a response. Returns whether it could be stored: it must not be promised otherwise."""
        size = len(stored.input) + len(stored.response)
        if size > self.settings.max_bytes:
            log.warning(
                "The response %s is larger than [responses] max_bytes and is not stored", stored.id
            )
            return False
        try:
            await self._run(lambda connection: self._save(connection, stored, caller, size))
        except (sqlite3.Error, OSError) as error:
            log.warning("The response %s cannot be stored in %s: %s", stored.id, self._path, error)
            return False
        return True

    async def chain(self, id: str, caller: str) -> list[StoredResponse]:
        """Return a response and all before it, the oldest first. Empty if it, or one before it, is not stored."""
        query = {"id": id, "caller": caller, "oldest": time.time() - self.settings.max_age}
        rows: Sequence[Any] = await self._read(
            lambda connection: connection.execute(_CHAIN, query).fetchall()
        )
        found = [StoredResponse(*row) for row in rows]
        if found and found[0].previous is None:
            return found
        return []

    async def find(self, id: str, caller: str) -> StoredResponse | None:
        """Return a response; None if it is not stored."""
        query = "SELECT id, previous, input, response FROM responses WHERE id = ? AND caller = ? AND created > ?"
        values = (id, caller, time.time() - self.settings.max_age)
        row = await self._read(lambda connection: connection.execute(query, values).fetchone())
        if row is None:
            return None
        return StoredResponse(*row)

    async def delete(self, id: str, caller: str) -> bool:
        """Delete a response. Returns whether it was stored."""
        query = "DELETE FROM responses WHERE id = ? AND caller = ?"
        count: int = await self._read(
            lambda connection: connection.execute(query, (id, caller)).rowcount
        )
        return count > 0

    async def aclose(self) -> None:
        """Close the file."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await self._run(work)
        except (sqlite3.Error, OSError) as error:
            log.warning("Stored responses cannot be read from %s: %s", self._path, error)
            message = "The gateway's store of responses is not available"
            raise RequestError(
                message, status=503, type="api_error", code="store_unavailable"
            ) from None

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do some work with the open file, as one transaction."""
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._in_transaction, work
        )

    def _in_transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            self._connection = self._open()
        with self._connection:
            return work(self._connection)

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Conversations are nobody else's concern. SQLite gives its other files the same mode.
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(self._path, timeout=_BUSY_TIMEOUT)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection

    def _save(
        self, connection: sqlite3.Connection, stored: StoredResponse, caller: str, size: int
    ) -> None:
        now = time.time()
        row = (stored.id, caller, now, stored.previous, stored.input, stored.response, size)
        connection.execute(_INSERT, row)
        self._unchecked_bytes += size
        if self._unchecked_bytes >= self.settings.max_bytes // _UNCHECKED_SHARE:
            self._unchecked_bytes = 0
            connection.execute(
                "DELETE FROM responses WHERE created <= ?", (now - self.settings.max_age,)
            )
            connection.execute(_REMOVE_OLDEST, (self.settings.max_bytes,))

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
