"""Records, and a price book that knows one model."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llms_core.contracts.completion import Usage
from llms_core.contracts.token_counts import tokens_of
from llms_core.ledger.database import Database
from llms_core.ledger.recorder import Recorder
from llms_core.ledger.spill import Spill
from llms_core.ledger.sqlite import Sqlite
from llms_core.ledger.tags import Tags
from llms_core.prices.book import PriceBook
from llms_core.records import AttemptRecord, RequestRecord, id_at

NOON = 1_764_331_200.0 + 12 * 3600
DAY = 86_400
_numbers = itertools.count()

MakeRecord = Callable[..., RequestRecord]
MakeRecorder = Callable[..., Recorder]


def attempt(**members: Any) -> AttemptRecord:
    """An attempt with 100 tokens of the prompt and 20 of the answer, for 0.5 USD."""
    usage = members.pop("usage", Usage(100, 20))
    known: dict[str, Any] = {
        "request_id": "",
        "provider": "one",
        "model": "m",
        "upstream_model": "up-m",
        "kind": None,
        "status": None,
        "message": "",
        "duration": 0.5,
        "usage": usage,
        "tokens": None if usage is None else tokens_of(usage),
        "cost": None if usage is None else 0.5,
        "cost_source": None if usage is None else "configuration",
        "started": NOON,
        "provider_type": "openai",
    }
    return AttemptRecord(**known | members)


def record(*attempts: AttemptRecord, **members: Any) -> RequestRecord:
    """A request that succeeded at noon, by default with one attempt."""
    beginning = id_at(members.get("started", NOON))
    request_id = members.pop("request_id", f"{beginning}{next(_numbers):012x}")
    made = attempts or (attempt(),)
    known: dict[str, Any] = {
        "request_id": request_id,
        "model": "m",
        "status": 200,
        "stream": False,
        "duration": 1.0,
        "overhead": 0.001,
        "attempts": tuple(msgspec.structs.replace(each, request_id=request_id) for each in made),
        "started": NOON,
        "operation": "chat",
        "dialect": "chat_completions",
    }
    return RequestRecord(**known | members)


def refused(**members: Any) -> RequestRecord:
    """A request that no provider was asked for."""
    return msgspec.structs.replace(record(status=404, at_fault="client", **members), attempts=())


@pytest.fixture
def book(tmp_path: Path) -> PriceBook:
    """A price list that is loaded and empty."""
    made = PriceBook(tmp_path)
    made.is_loaded = True
    return made


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """The ledger in SQLite."""
    return Sqlite(tmp_path / "ledger.sqlite3")


@pytest.fixture
def spill(tmp_path: Path) -> Spill:
    """The folder of files that wait."""
    return Spill(tmp_path / "spill", 10_000_000)


@pytest.fixture
def recorder(database: Database, spill: Spill, book: PriceBook) -> MakeRecorder:
    """Makes recorders that are not started."""

    def make(**members: Any) -> Recorder:
        opens = members.pop("database", lambda: database)
        settings = {"max_queue": 1000, "retention": 90.0 * DAY, **members}
        return Recorder(opens, spill, book, Tags(("team",)), **settings)

    return make
