"""`[ledger]` of plugins.toml."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from llms_core.plugins.settings import PluginSettings
from llms_core.secret import Secret

_POSTGRESQL = ("postgresql", "postgres")


class LedgerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is recorded, and where."""

    #: whether anything is recorded
    enabled: bool = True
    #: `postgresql://user@host/database`; None for `ledger.sqlite3` in the user's folder
    url: str | None = None
    #: the password of the database, as `$NAME`
    password: Secret | None = None
    #: whether the texts of requests and answers are kept
    content: bool = False
    #: the most characters of each such text
    max_content: Annotated[int, Meta(ge=1, le=16 * 1024 * 1024)] = 64 * 1024
    #: how many days requests and attempts are kept; the daily sums stay
    retention: Annotated[float, Meta(gt=0)] = 90.0
    #: names of members of `metadata` that are tags, such as `team`, which makes the tag `team=alpha`
    metadata_tags: tuple[str, ...] = ()
    #: requests that wait in memory
    max_queue: Annotated[int, Meta(ge=100, le=1_000_000)] = 20_000
    #: bytes of the files in which requests wait while the database is not available
    max_spill: Annotated[int, Meta(ge=1024 * 1024)] = 256 * 1024 * 1024


def read(settings: PluginSettings) -> LedgerSettings:
    """Decode and check the table. Raises ConfigError."""
    read = settings.decode(LedgerSettings)
    if read.url is None:
        return read
    try:
        parts = urlsplit(read.url)
        has_password = parts.password is not None
    except ValueError:
        raise settings.error(("url",), "this is not a URL") from None
    if parts.scheme not in _POSTGRESQL:
        raise settings.error(("url",), "the ledger is kept in SQLite or PostgreSQL", "postgresql://user@host/database")
    if has_password:
        hint = 'write `password = "$NAME"`, with the name of an environment variable'
        raise settings.error(("url",), "it contains a password, and plugins.toml is a file that people share", hint)
    return read
