"""Conversations of the command line, in SQLite in the user's folder."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from llms_core.cli.user_error import Failure
from llms_core.config import places
from llms_core.contracts.completion import Usage
from llms_core.errors import ConfigError

Json = dict[str, Any]

MAX_BYTES = 1024**3
"""The most bytes of all conversations; beyond that, the oldest ones are removed."""

#: Seconds to wait for another command's write.
_BUSY_TIMEOUT = 10.0
_VERSION = 1
_MAX_TITLE = 200

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS conversations (
    id TEXT PRIMARY KEY,
    created REAL NOT NULL,
    updated REAL NOT NULL,
    title TEXT NOT NULL,
    turns INTEGER NOT NULL,
    size INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS by_age ON conversations (updated, size);
CREATE TABLE IF NOT EXISTS turns (
    id TEXT PRIMARY KEY,
    conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    created REAL NOT NULL,
    model TEXT NOT NULL,
    provider TEXT,
    upstream_model TEXT,
    messages TEXT NOT NULL,
    answer TEXT NOT NULL,
    prompt TEXT NOT NULL,
    reply TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    parameters TEXT NOT NULL,
    usage TEXT,
    cost REAL,
    seconds REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS by_conversation ON turns (conversation, created);
PRAGMA user_version = {_VERSION};
"""

_ADD_CONVERSATION = """
INSERT INTO conversations VALUES (:id, :now, :now, :title, 1, :size)
ON CONFLICT (id) DO UPDATE SET updated = :now, turns = turns + 1, size = size + :size
"""

_ADD_TURN = """
INSERT INTO turns VALUES (
    :id, :conversation, :created, :model, :provider, :upstream_model, :messages, :answer, :prompt, :reply,
    :finish_reason, :parameters, :usage, :cost, :seconds
)
"""

_REMOVE_OLDEST = """
DELETE FROM conversations WHERE id IN (
    SELECT id FROM (SELECT id, SUM(size) OVER (ORDER BY updated DESC, id) AS newer FROM conversations) WHERE newer > ?
)
"""

_LIST = """
SELECT id, created, updated, title, turns,
    (SELECT model FROM turns WHERE conversation = conversations.id ORDER BY created DESC LIMIT 1)
FROM conversations
WHERE :query = '' OR id IN (
    SELECT conversation FROM turns
    WHERE prompt LIKE :pattern ESCAPE '!' OR reply LIKE :pattern ESCAPE '!'
)
ORDER BY updated DESC LIMIT :limit
"""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt and its answer."""

    #: that of the request, which the records of plugins and the log have, too
    id: str
    #: Unix seconds
    created: float
    #: the model's name for clients
    model: str
    #: None if a plugin answered
    provider: str | None = None
    upstream_model: str | None = None
    #: what the prompt added to the conversation
    messages: list[Json]
    #: the assistant's message
    answer: Json
    #: the texts of both
    prompt: str
    reply: str
    finish_reason: str = ""
    #: the other members of the request
    parameters: Mapping[str, Any] = {}
    usage: Usage | None = None
    #: in USD; None if unknown
    cost: float | None = None
    seconds: float = 0.0


class Summary(NamedTuple):
    """A conversation in a list. Times are in Unix seconds."""

    id: str
    created: float
    updated: float
    #: the beginning of its first prompt
    title: str
    turns: int
    #: that of the last turn
    model: str


class Log:
    """The log of conversations. The file is created with the first turn; nobody else may read it."""

    def __init__(self, path: Path):
        self.path = path

    def add(self, conversation: str, turn: Turn) -> None:
        """Add a turn to a conversation, which begins with it if it is new. Raises OSError and ConfigError."""
        row: Json = {field: getattr(turn, field) for field in turn.__struct_fields__}
        for field in ("messages", "answer", "parameters", "usage"):
            row[field] = None if row[field] is None else msgspec.json.encode(row[field]).decode()
        size = len(row["messages"]) + len(row["answer"])
        first_line = turn.prompt.strip().partition("\n")[0]
        title = first_line[:_MAX_TITLE]
        with self._open(creates=True) as connection:
            connection.execute(
                _ADD_CONVERSATION,
                {"id": conversation, "now": time.time(), "title": title, "size": size},
            )
            connection.execute(_ADD_TURN, {**row, "conversation": conversation})
            connection.execute(_REMOVE_OLDEST, (MAX_BYTES,))

    def delete(self, conversation: str) -> None:
        """Delete a conversation. Raises ConfigError."""
        with self._open() as connection:
            connection.execute("DELETE FROM conversations WHERE id = ?", (conversation,))

    def latest(self) -> str | None:
        """Return the id of the conversation that was continued last; None if there is none."""
        found = self.summaries(limit=1)
        return found[0].id if found else None

    def find(self, beginning: str) -> str | None:
        """Return the id of the conversation that begins like this, or that has such a turn; None if there is none.

        Raises Failure if there are several.
        """
        query = (
            "SELECT id FROM conversations WHERE substr(id, 1, :length) = :beginning "
            "UNION SELECT conversation FROM turns WHERE substr(id, 1, :length) = :beginning LIMIT 2"
        )
        values = {"length": len(beginning), "beginning": beginning.lower()}
        found: list[tuple[str]] = []
        if self.path.exists() and beginning:
            with self._open() as connection:
                found = connection.execute(query, values).fetchall()
        if len(found) > 1:
            raise Failure(f"several conversations begin with '{beginning}' (type more of its id)")
        return found[0][0] if found else None

    def turns(self, conversation: str) -> list[Turn]:
        """Return the turns of a conversation, the oldest first."""
        columns = ", ".join(Turn.__struct_fields__)
        query = f"SELECT {columns} FROM turns WHERE conversation = ? ORDER BY created, rowid"  # noqa: S608 - constants
        with self._open() as connection:
            rows = connection.execute(query, (conversation,)).fetchall()
        return [_turn(row) for row in rows]

    def summaries(self, *, limit: int = -1, query: str = "") -> list[Summary]:
        """Return the latest conversations, at most `limit` unless it is negative, that contain a text."""
        if not self.path.exists():
            return []
        escaped = "".join(f"!{char}" if char in "!%_" else char for char in query)
        with self._open() as connection:
            rows = connection.execute(
                _LIST, {"query": query, "pattern": f"%{escaped}%", "limit": limit}
            ).fetchall()
        return [Summary(*row) for row in rows]

    @contextmanager
    def _open(self, *, creates: bool = False) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction."""
        if creates:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite gives its other files the same mode.
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        try:
            connection = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT)
        except sqlite3.Error as error:
            raise self._unusable(error) from None
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > _VERSION:
                message = "this file was written by a newer version of llms"
                raise ConfigError(message, path=str(self.path), hint="upgrade llms-core")
            if version < _VERSION:
                connection.executescript(_SCHEMA)
            with connection:
                yield connection
        except sqlite3.Error as error:
            raise self._unusable(error) from None
        finally:
            connection.close()

    def _unusable(self, error: sqlite3.Error) -> ConfigError:
        return ConfigError(f"the log cannot be used: {error}", path=str(self.path))


def default(env: Mapping[str, str] = os.environ) -> Log:
    """Return the user's log."""
    return Log(places.home(env) / "conversations.sqlite3")


def _turn(row: tuple[Any, ...]) -> Turn:
    values: Json = dict(zip(Turn.__struct_fields__, row, strict=True))
    for field in ("messages", "answer", "parameters"):
        values[field] = msgspec.json.decode(values[field])
    if values["usage"] is not None:
        values["usage"] = msgspec.json.decode(values["usage"], type=Usage)
    return Turn(**values)
