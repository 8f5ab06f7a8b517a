"""`llms usage`, `llms log REQUEST-ID` and `llms prices`: what the ledger tells."""

from __future__ import annotations

import csv
import json
import time
from itertools import pairwise
from typing import Any

import pytest
from command_line import CommandLine

from llms_core.errors import ErrorKind
from llms_core.ledger.rows import batch_of
from llms_core.ledger.sqlite import Sqlite
from llms_core.ledger.tags import Tags
from llms_core.prices.book import PriceBook
from tests.core.ledger.conftest import DAY, attempt, record, refused

NOW = time.time()


@pytest.fixture
def line(line: CommandLine) -> CommandLine:
    """A command line whose ledger has four requests: two of Ada's today, one of Bob's a week ago, and a refused one."""
    book = PriceBook(line.home)
    book.is_loaded = True
    failed = attempt(
        kind=ErrorKind.RATE_LIMIT, status=429, usage=None, at_fault="provider", message="slow down"
    )
    records = [
        record(caller="ada", started=NOW, request_id="ab" * 12, tags=("nightly",)),
        record(
            failed, attempt(provider="two", cost=None, cost_source=None), caller="ada", started=NOW
        ),
        record(attempt(model="other"), caller="=bob()", started=NOW - 7 * DAY),
        refused(started=NOW, model="misspelt"),
    ]
    database = Sqlite(line.home / "ledger.sqlite3")
    database.write("number", batch_of(records, book, Tags().of))
    database.close()
    return line


def rows_of(line: CommandLine, *arguments: str) -> list[dict[str, Any]]:
    finished = line.run("usage", *arguments, "--json")
    assert finished.returncode == 0, finished.stderr
    rows: list[dict[str, Any]] = json.loads(finished.stdout)["rows"]
    return rows


def test_a_table_has_totals_and_says_what_is_missing(line: CommandLine) -> None:
    finished = line.run("usage")
    lines = finished.stdout.splitlines()
    assert lines[0].split() == [
        "model",
        "requests",
        "failed",
        "input",
        "cached",
        "output",
        "cost",
        "unpriced",
    ]
    assert [text.split() for text in lines[1:]] == [
        ["m", "2", "0", "200", "0", "40", "$0.500000", "1"],
        ["other", "1", "0", "100", "0", "20", "$0.500000", "0"],
        ["(none)", "1", "1", "0", "0", "0", "$0.000000", "0"],
        ["total", "4", "1", "300", "0", "60", "$1.000000", "1"],
    ]
    assert "the price of 1 answers is not known" in finished.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--by", "key"], {("ada",): 2, ("=bob()",): 1, ("",): 1}),
        (["--by", "provider"], {("one",): 2, ("two",): 1, ("",): 1}),
        (["--by", "tag"], {("nightly",): 1}),
        (["--by", "key", "--by", "model", "--since", "today"], {("ada", "m"): 2, ("", ""): 1}),
        (["--by", "model", "--key", "ada"], {("m",): 2}),
        (["--until", "yesterday"], {("other",): 1}),
    ],
)
def test_groups_and_periods(
    line: CommandLine, arguments: list[str], expected: dict[tuple[str, ...], int]
) -> None:
    names = [value for name, value in pairwise(arguments) if name == "--by"] or ["model"]
    found = {
        tuple(row[name] for name in names): row["requests"] for row in rows_of(line, *arguments)
    }
    assert found == expected


def test_by_day_with_bars(line: CommandLine) -> None:
    finished = line.run("usage", "--by", "day", "--chart")
    bars = [text.count("█") for text in finished.stdout.splitlines()[1:-1]]
    assert len(bars) == 2
    assert min(bars) > 0


def test_csv_is_no_formula(line: CommandLine) -> None:
    """A name may be a client's own, and spreadsheets run what begins with `=`."""
    finished = line.run("usage", "--by", "key", "--csv")
    found = {row["key"]: row["input"] for row in csv.DictReader(finished.stdout.splitlines())}
    assert found == {"ada": "200", "'=bob()": "100", "": "0"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--since", "monday"], "'monday' is not a day"),
        (["--since", "2026-01-02", "--until", "2026-01-01"], "is after"),
        (["--by", "tag", "--by", "key"], "sums by tag are not kept by caller"),
        (["--json", "--csv"], "exclude each other"),
    ],
)
def test_what_makes_no_report(line: CommandLine, arguments: list[str], message: str) -> None:
    finished = line.run("usage", *arguments)
    assert finished.returncode == 2
    assert message in finished.stderr


def test_without_a_ledger(line: CommandLine) -> None:
    (line.home / "ledger.sqlite3").unlink()
    finished = line.run("usage")
    assert finished.returncode == 0
    assert "No requests from" in finished.stderr
    assert not (line.home / "ledger.sqlite3").exists()


def test_one_request_with_its_attempts(line: CommandLine) -> None:
    request_id = next(row["id"] for row in _requests(line) if row["attempts"] == 2)
    shown = line.run("log", request_id).stdout
    assert "rate_limit (429), the fault of the provider" in shown
    assert "slow down" in shown
    assert "2. two: up-m" in shown
    assert "cost        not known" in shown
    found = json.loads(line.run("log", request_id, "--json").stdout)
    assert [each["provider"] for each in found["attempts"]] == ["one", "two"]


def test_the_beginning_of_an_id_is_enough(line: CommandLine) -> None:
    assert "abababababababababababab" in line.run("log", "ababab").stdout
    finished = line.run("log", "ffff")
    assert finished.returncode == 1
    assert "no conversation and no request 'ffff'" in finished.stderr


def test_prices_of_the_configuration(line: CommandLine) -> None:
    block = {
        "type": "openai-compatible",
        "base_url": "http://localhost:1",
        "api_key": "k",
        "models": ["m", "free"],
    }
    line.configure(
        {
            "providers": {
                "mine": {**block, "pricing": {"m": {"input": 1, "output": 2, "cache_write": 3}}}
            }
        }
    )
    shown = line.run("prices", "m").stdout
    assert "$3  per 1M tokens" in shown
    assert "llms.json" in shown
    assert "The price is not known" in line.run("prices", "free").stdout
    assert line.run("prices", "of-nobody").returncode == 1


def _requests(line: CommandLine) -> list[dict[str, Any]]:
    database = Sqlite(line.home / "ledger.sqlite3")
    found = database.query("SELECT id, attempts FROM requests")
    database.close()
    return [{"id": row[0], "attempts": row[1]} for row in found]
