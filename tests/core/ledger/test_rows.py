"""What becomes of a record: its row, those of its attempts, and the sums of its day."""

from __future__ import annotations

import pytest

from llms_core.contracts.completion import Usage
from llms_core.errors import ErrorKind
from llms_core.ledger.database import Database
from llms_core.ledger.reports import request, total, usage
from llms_core.ledger.rows import batch_of
from llms_core.ledger.schema import ATTEMPT_COLUMNS, COUNTS
from llms_core.ledger.tags import OTHERS, Tags
from llms_core.prices.book import PriceBook
from llms_core.records import AttemptRecord, RequestRecord, id_at
from tests.core.ledger.conftest import NOON, attempt, record, refused

ALL_DAYS = (0, 10**6)


@pytest.fixture
def written(database: Database, book: PriceBook) -> object:
    """Writes records, and returns the database."""

    def write(*records: RequestRecord) -> Database:
        database.write("number", batch_of(records, book, Tags(("team",)).of))
        return database

    yield write
    database.close()


def test_a_request_and_its_attempts_have_rows(written: object) -> None:
    failed = attempt(
        kind=ErrorKind.RATE_LIMIT, status=429, message="slow down", usage=None, at_fault="provider"
    )
    database = written(record(failed, attempt(provider="two"), caller="ada", tags=("a",), user="u"))  # type: ignore[operator]
    found = request(database, id_at(NOON))
    assert found is not None
    row, attempts = found
    assert (row["caller"], row["attempts"], row["input"], row["output"], row["cost"]) == (
        "ada",
        2,
        100,
        20,
        0.5,
    )
    assert (row["tags"], row["user_name"]) == ('["a"]', "u")
    assert [
        (each["provider"], each["kind"], each["status"], each["input"]) for each in attempts
    ] == [
        ("one", "rate_limit", 429, None),
        ("two", None, None, 100),
    ]


@pytest.mark.parametrize(
    "members",
    [
        {"provider": "one", "served_model": "m", "upstream_model": "up-m"},
        {"status": 500, "at_fault": "gateway"},
    ],
    ids=["answered", "its answer was refused"],
)
def test_the_attempt_of_a_request_that_succeeded_at_once_is_shown_as_any_other(
    written: object, members: dict[str, object]
) -> None:
    """Whether it has a row of its own or is stored with its request."""
    only = attempt(
        started=NOON + 1, first_token=0.25, chunks=3, service_tier="flex", usage=Usage(100, 20)
    )
    database = written(record(only, request_id="a" * 24, duration=9.0, **members))  # type: ignore[operator]
    found = request(database, "aaaa")
    assert found is not None
    (shown,) = found[1]
    expected = {
        "request_id": "a" * 24,
        "number": 1,
        "kind": None,
        "message": None,
        "status": None,
        "at_fault": None,
        **{name: getattr(only, name) for name in _of_attempt_alike()},
        **{name: getattr(only.tokens, name) for name in COUNTS},
    }
    assert shown == expected
    assert set(expected) == set(ATTEMPT_COLUMNS)


def _of_attempt_alike() -> list[str]:
    """The columns that are members of a record under the same name."""
    names = AttemptRecord.__struct_fields__
    others = ("request_id", "kind", "message", "status", "at_fault")
    return [name for name in ATTEMPT_COLUMNS if name in names and name not in others]


def test_what_a_failed_attempt_cost_counts_too(written: object) -> None:
    """A stream that broke after its provider had counted is charged for."""
    broken = attempt(kind=ErrorKind.NETWORK, usage=Usage(100, 7), cost=0.25, chunks=3)
    database = written(record(broken, attempt(provider="two")))  # type: ignore[operator]
    found = usage(database, ["provider"], *ALL_DAYS)
    assert {row.group[0]: (row.measures["requests"], row.measures["output"]) for row in found} == {
        "one": (0, 7),
        "two": (1, 20),
    }
    assert total(found).measures["cost"] == 0.75


def test_an_unknown_price_is_null_and_counted(written: object) -> None:
    """Never 0; and neither is an unknown usage."""
    unpriced = attempt(cost=None, cost_source=None)
    unmetered = attempt(usage=None)
    database = written(record(unpriced, request_id="a" * 24), record(unmetered), record())  # type: ignore[operator]
    found = request(database, "aaaa")
    assert found is not None
    assert (found[0]["cost"], found[0]["input"]) == (None, 100)
    (row,) = usage(database, [], *ALL_DAYS)
    assert (row.measures["unpriced"], row.measures["unmetered"], row.measures["cost"]) == (
        1,
        1,
        0.5,
    )


def test_names_that_no_provider_was_asked_for_make_no_rows_of_their_own(written: object) -> None:
    database = written(*[refused(model=f"misspelt-{number}") for number in range(50)])  # type: ignore[operator]
    found = usage(database, ["model"], *ALL_DAYS)
    assert [(row.group, row.measures["requests"], row.measures["failed"]) for row in found] == [
        (("",), 50, 50)
    ]


def test_sums_by_tag_count_a_request_for_each_of_its_tags(written: object) -> None:
    tagged = record(tags=("a", "b"), metadata={"team": "alpha", "session": "1"})
    database = written(tagged, record(tags=("a",)))  # type: ignore[operator]
    found = usage(database, ["tag"], *ALL_DAYS)
    assert {row.group[0]: row.measures["requests"] for row in found} == {
        "a": 2,
        "b": 1,
        "team=alpha": 1,
    }


def test_the_tags_of_a_day_are_limited() -> None:
    tags = Tags()
    for number in range(1000):
        tags.of(record(tags=(f"{number}",)), 1)
    assert tags.of(record(tags=("one more", "7")), 1) == (OTHERS, "7")
    assert tags.of(record(tags=("one more",)), 2) == ("one more",)


def test_only_some_days_and_some_callers(written: object) -> None:
    day = int(NOON // 86_400)
    database = written(
        record(caller="ada"), record(caller="bob"), record(started=NOON - 86_400, caller="ada")
    )  # type: ignore[operator]
    assert [row.group for row in usage(database, ["day"], *ALL_DAYS, {"key": "ada"})] == [
        (day - 1,),
        (day,),
    ]
    (row,) = usage(database, ["key", "model"], day, day, {"key": "ada"})
    assert (row.group, row.measures["requests"]) == (("ada", "m"), 1)
