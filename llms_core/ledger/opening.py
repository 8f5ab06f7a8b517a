"""Opens the ledger that the settings describe."""

from __future__ import annotations

from collections.abc import Mapping

from llms_core.config import places
from llms_core.ledger.database import Database
from llms_core.ledger.recorder import Recorder
from llms_core.ledger.rows import SECONDS_PER_DAY
from llms_core.ledger.settings import LedgerSettings
from llms_core.ledger.spill import Spill
from llms_core.ledger.tags import Tags
from llms_core.prices.book import price_book

FILE = "ledger.sqlite3"
"""The ledger in the user's folder."""


def database_for(
    settings: LedgerSettings, env: Mapping[str, str], *, reads: bool = False
) -> Database:
    """Return the database, which is not opened yet; with `reads`, for a report. Raises ConfigError."""
    if settings.url is not None:
        from llms_core.ledger.postgresql import Postgresql

        limit = {"timeout": 60.0} if reads else {}
        return Postgresql(settings.url, settings.password, **limit)
    from llms_core.ledger.sqlite import Sqlite

    path = places.home(env) / FILE
    if reads:
        return Sqlite(path, busy_timeout=10.0)
    return Sqlite(path)


def recorder_for(settings: LedgerSettings, env: Mapping[str, str]) -> Recorder:
    """Return what records requests, which is not started yet."""
    home = places.home(env)
    return Recorder(
        lambda: database_for(settings, env),
        Spill(home / "ledger", settings.max_spill),
        price_book(places.cache(env)),
        Tags(settings.metadata_tags),
        max_queue=settings.max_queue,
        retention=settings.retention * SECONDS_PER_DAY,
    )
