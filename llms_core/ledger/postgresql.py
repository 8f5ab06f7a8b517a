"""The ledger in PostgreSQL, by way of psycopg: the extra `llms-core[postgresql]`."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from llms_core.errors import ConfigError
from llms_core.ledger.database import Database, Unavailable, Unwritable
from llms_core.secret import Secret

EXTRA = "llms-core[postgresql]"

_TIMEOUT = 0.7
"""Seconds for a batch. One that takes longer is kept in a file, so that it is not lost if this process is killed."""

_CONNECT_TIMEOUT = 2
#: The key of the lock under which the tables are changed; any number that nobody else uses.
_LOCK = 0x6C6C6D73


class Postgresql(Database):
    """A database of a server."""

    placeholder = "%s"

    def __init__(self, url: str, password: Secret | None = None, *, timeout: float = _TIMEOUT):
        """Raises ConfigError if psycopg is not installed."""
        super().__init__()
        try:
            import psycopg
        except ImportError:
            hint = f"run `pip install '{EXTRA}'`"
            raise ConfigError("psycopg is not installed", field="ledger.url", hint=hint) from None
        self._psycopg = psycopg
        self._url = url
        self._password = password
        self._timeout = timeout

    @property
    def place(self) -> str:
        """The server and the database."""
        parts = urlsplit(self._url)
        return f"{parts.hostname or 'the local server'}{parts.path}"

    def _connect(self) -> Any:
        password = None if self._password is None else self._password.reveal()
        arguments: dict[str, Any] = {} if password is None else {"password": password}
        return self._psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=_CONNECT_TIMEOUT,
            # A failover of the server must not go unnoticed.
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            application_name="llms",
            **arguments,
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        psycopg = self._psycopg
        try:
            with self._deadline():
                yield
        except (psycopg.IntegrityError, psycopg.DataError) as error:
            raise Unwritable(self._reason(error)) from None
        # Also if a table or a right is missing, which is not the fault of the rows.
        except (psycopg.Error, OSError) as error:
            self.close()
            raise Unavailable(self._reason(error)) from None

    @contextmanager
    def _deadline(self) -> Iterator[None]:
        """Break the connection if a server does not answer: psycopg itself would wait for ever."""
        connection = self._connection
        if connection is None:
            # It has a time limit of its own while it connects.
            yield
            return
        timer = threading.Timer(self._timeout, _shut_down, (connection.fileno(),))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _reason(self, error: BaseException) -> str:
        text = " ".join(str(error).split()) or type(error).__name__
        return f"{self.place}: {text}"

    def _has_schema(self, cursor: Any) -> bool:
        cursor.execute("SELECT to_regclass('ledger_schema')")
        return cursor.fetchone()[0] is not None

    def _lock_schema(self, cursor: Any) -> None:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))


def _shut_down(descriptor: int) -> None:
    """End a connection from another thread: whoever waits for it gets an error. The descriptor stays open."""
    try:
        duplicate = socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return
    with duplicate:
        try:
            duplicate.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
