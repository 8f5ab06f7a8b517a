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
    enabled: Annotated[bool, Meta(examples=[False])] = True
    #: `postgresql://user@host/database`; None for `ledger.sqlite3` in the user's folder
    url: Annotated[str | None, Meta(examples=["postgresql://llms@db/llms"])] = None
    #: the password of the database, as `$NAME`
    password: Annotated[Secret | None, Meta(examples=["$LEDGER_PASSWORD"])] = None
    #: whether the texts of requests and answers are kept
    content: Annotated[bool, Meta(examples=[True])] = False
    #: the most characters of each such text
    max_content: Annotated[
        int, Meta(ge=1, le=16 * 1024 * 1024, examples=[4096], extra={"unit": "characters"})
    ] = 64 * 1024
    #: how many days requests and attempts are kept; the daily sums stay
    retention: Annotated[float, Meta(gt=0, examples=[365], extra={"unit": "days"})] = 90.0
    #: names of members of `metadata` that are tags, such as `team`, which makes the tag `team=alpha`
    metadata_tags: Annotated[tuple[str, ...], Meta(examples=[["team"]])] = ()
    #: requests that wait in memory
    max_queue: Annotated[
        int, Meta(ge=100, le=1_000_000, examples=[50_000], extra={"unit": "requests"})
    ] = 20_000
    #: bytes of the files in which requests wait while the database is not available
    max_spill: Annotated[
        int, Meta(ge=1024 * 1024, examples=[1_073_741_824], extra={"unit": "bytes"})
    ] = 256 * 1024 * 1024


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
        raise settings.error(
            ("url",),
            "the ledger is kept in SQLite or PostgreSQL",
            "postgresql://user@host/database",
        )
    if has_password:
        hint = 'write `password = "$NAME"`, with the name of an environment variable'
        raise settings.error(
            ("url",), "it contains a password, and plugins.toml is a file that people share", hint
        )
    return read
