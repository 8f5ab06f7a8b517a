"""The way from records to the database: nothing is lost, nothing is written twice, and no failure is hidden."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion
from llms_core.ledger import reports, rows, schema, sqlite
from llms_core.ledger.content import Content
from llms_core.ledger.database import Database, Unavailable
from llms_core.ledger.recorder import Recorder
from llms_core.ledger.spill import Spill, Waiting
from llms_core.ledger.sqlite import Sqlite
from llms_core.ledger.tags import Tags
from llms_core.operations.chat import CHAT, Chat
from llms_core.prices.book import PriceBook
from tests.core.ledger.conftest import DAY, NOON, MakeRecorder, attempt, record, refused
from tests.core.server.conftest import until


def count(database: Database, table: str = "requests") -> int:
    return int(database.query(f"SELECT COUNT(*) FROM {table}")[0][0])


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process that writes to the file for a long time."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.close()


def run(recorder: Recorder, *records: object) -> None:
    """Record and stop: everything is written then."""
    recorder.start()
    for each in records:
        recorder.add(each)  # type: ignore[arg-type]
    recorder.stop()


def test_what_was_recorded_is_in_the_database_when_it_stops(
    recorder: MakeRecorder, database: Database
) -> None:
    made = recorder(max_queue=10_000)
    run(made, *[record() for _ in range(2500)], refused())
    assert (count(database), count(database, "attempts")) == (2501, 2500)
    status = made.status()
    assert (status.written, status.queued, status.spilled, status.lost, status.problem) == (
        2501,
        0,
        0,
        0,
        None,
    )


def test_statements_have_no_more_parameters_than_old_versions_of_sqlite_take() -> None:
    """SQLite before 3.32, as some distributions still have it."""
    columns = len(schema.REQUEST_COLUMNS) + len(schema.ONLY_ATTEMPT_COLUMNS)
    assert max(columns, len(schema.ATTEMPT_COLUMNS)) * sqlite._ROWS <= 999


def test_a_locked_database_loses_nothing_and_is_reported(
    recorder: MakeRecorder,
    database: Database,
    tmp_path: Path,
    spill: Spill,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run(recorder(), record())
    made = recorder()
    with locked(tmp_path / "ledger.sqlite3"):
        run(made, record(), record())
    assert made.status().spilled == 2
    assert "locked" in str(made.status().problem)
    assert "the ledger cannot be written" in caplog.text
    assert len(spill.waiting()) == 1
    after = recorder()
    run(after, record())
    after._read_files()
    assert spill.waiting() == []
    assert count(database) == 4
    database.close()


def test_a_file_of_a_worker_that_was_killed_is_read_by_the_next(
    recorder: MakeRecorder, database: Database, spill: Spill
) -> None:
    spill.put("of-the-first", Waiting([record(), record()]))
    made = recorder()
    made._read_files()
    made._read_files()
    assert (count(database), made.status().written, made.status().files) == (2, 2, 0)


def test_a_file_of_an_earlier_version_is_read(
    recorder: MakeRecorder, database: Database, spill: Spill
) -> None:
    """It has a list of records, and nothing else."""
    spill.put("number", Waiting([record(), record()]))
    (path,) = spill.waiting()
    path.write_bytes(msgspec.msgpack.encode(msgspec.msgpack.decode(path.read_bytes())["records"]))
    recorder()._read_files()
    assert count(database) == 2


def contents(members: Mapping[str, str], answer: bytes) -> Content:
    """The texts of a request and of its answer."""
    raw = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in members.items()}
    made = Content(CHAT, raw, 1000)
    made.answered(answer)
    return made


def test_texts_wait_in_a_file_while_the_database_is_locked(
    recorder: MakeRecorder, database: Database, spill: Spill, tmp_path: Path
) -> None:
    """They are as complete as the requests that they belong to."""
    run(recorder(), record())
    made = recorder()
    asked = record()
    with locked(tmp_path / "ledger.sqlite3"):
        made.add_content(asked, contents({"prompt": "a question"}, b'"an answer"'))
        run(made, asked)
    assert count(database, "contents") == 0
    recorder()._read_files()
    assert spill.waiting() == []
    found = database.query("SELECT request_id, started, request, answer FROM contents")
    assert found == [(asked.request_id, NOON, '{"prompt":"a question"}', '"an answer"')]
    database.close()


def test_texts_are_written_once_there_is_room(
    recorder: MakeRecorder,
    database: Database,
    spill: Spill,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither the database nor a file took them at first."""
    run(recorder(), record())
    made = recorder()
    asked = record()
    made.add(asked)
    made.add_content(asked, contents({"prompt": "a question"}, b'"an answer"'))
    made._stopping.set()
    with monkeypatch.context() as patch, locked(tmp_path / "ledger.sqlite3"):
        patch.setattr(spill, "_max_bytes", 0)
        made._work()
    made._next_retry = 0.0
    made._work()
    assert (count(database), count(database, "contents"), made.status().lost) == (2, 1, 0)
    database.close()


def test_an_operation_that_cannot_join_its_chunks_loses_nothing(
    recorder: MakeRecorder, database: Database
) -> None:
    """It may be a plugin's. The chunks are kept as they came."""

    class Broken(Chat):
        def from_chunks(self, chunks: Sequence[Chunk]) -> Completion:
            raise RuntimeError("a bug")

    asked = record()
    content = Content(Broken(), {}, 1000)
    content.read([Chunk(b"one"), Chunk(b"two")])
    made = recorder()
    made.add_content(asked, content)
    run(made, asked)
    assert count(database) == 1
    assert database.query("SELECT answer FROM contents") == [("one\ntwo",)]
    database.close()


def test_texts_leave_room_for_requests(
    recorder: MakeRecorder, spill: Spill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither may the texts keep requests from being written, nor from being kept in a file."""
    run(recorder(), record())
    made = recorder()
    asked = record()
    made.add(asked)
    made.add_content(asked, contents({"prompt": "x" * 500}, b'"an answer"'))
    made._stopping.set()
    with monkeypatch.context() as patch, locked(tmp_path / "ledger.sqlite3"):
        patch.setattr(spill, "_max_bytes", 1000)
        made._work()
        made.add(record())
        patch.setattr(spill, "_max_bytes", 2000)
        assert made._record(made._taken())
    assert (made.status().spilled, made.status().queued, made.status().lost) == (2, 0, 0)


def test_a_batch_counts_once_however_often_it_is_written(
    database: Database, book: PriceBook
) -> None:
    """Whether a connection broke before or after the end of a transaction is not known."""
    batch = rows.batch_of([record(), record()], book, Tags().of)
    assert database.write("number", batch) is True
    assert database.write("number", batch) is False
    (usage,) = reports.usage(database, ["model"], 0, 10**6)
    assert (usage.measures["requests"], usage.measures["input"]) == (2, 200)


def test_a_database_that_cannot_be_opened_does_not_stop_the_recorder(
    recorder: MakeRecorder, spill: Spill, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    made = recorder(database=lambda: Sqlite(tmp_path / "folder"))
    run(made, record())
    assert made.status().spilled == 1
    assert "folder" in str(made.status().problem)


def test_without_room_for_files_requests_wait_in_memory_and_are_counted_if_they_are_lost(
    recorder: MakeRecorder, database: Database, book: PriceBook, tmp_path: Path
) -> None:
    class Full(Spill):
        def put(self, batch: str, waiting: object) -> int:
            raise OSError(28, "No space left on device")

    class Unreachable(Sqlite):
        def write(self, number: str, batch: rows.Batch, texts: object = ()) -> bool:
            raise Unavailable("disk full")

    unreachable = Unreachable(tmp_path / "other.sqlite3")
    made = Recorder(
        lambda: unreachable, Full(tmp_path, 1), book, Tags(), max_queue=3, retention=DAY
    )
    for _ in range(5):
        made.add(record())
    assert (made.status().queued, made.status().lost) == (3, 2)
    made.start()
    made.stop()
    assert made.status().lost == 5
    assert "No space left on device" in str(made.status().problem)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 400 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a small file system cannot be mounted here: {error}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True, capture_output=True)


def test_a_full_disk_loses_nothing_as_long_as_there_is_memory(
    small_disk: Path, book: PriceBook
) -> None:
    """Neither the database nor the files take any more; once there is room, everything is written."""
    database = Sqlite(small_disk / "ledger.sqlite3")
    spill = Spill(small_disk / "spill", 10_000_000)
    made = Recorder(lambda: database, spill, book, Tags(), max_queue=10_000, retention=DAY * 90)
    made.start()
    for _ in range(4000):
        made.add(record())
    until(lambda: made.status().problem is not None and made.status().queued > 1000)
    assert made.status().lost == 0
    subprocess.run(
        ["mount", "-o", "remount,size=50m", str(small_disk)], check=True, capture_output=True
    )
    until(lambda: made.status().written == 4000)
    made.stop()
    assert (made.status().lost, made.status().problem, spill.waiting()) == (0, None, [])
    (usage,) = reports.usage(database, ["model"], 0, 10**6)
    assert (usage.measures["requests"], usage.measures["input"]) == (4000, 400_000)
    database.close()


def test_one_record_that_the_database_refuses_does_not_keep_the_others_out(
    recorder: MakeRecorder, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    twice = record()
    made = recorder()
    run(made, record(), twice, twice, record())
    assert count(database) == 3
    assert made.status().lost == 1
    assert f"cannot hold request {twice.request_id}" in caplog.text


def test_costs_wait_for_the_price_list(
    recorder: MakeRecorder, database: Database, book: PriceBook
) -> None:
    """What is recorded before it is there is kept in a file, and written with its cost."""
    book.is_loaded = False
    made = recorder()
    run(made, record(attempt(cost=None, cost_source=None)))
    assert made.status().spilled == 1
    book.is_loaded = True
    made._read_files()
    assert count(database) == 1
    database.close()


def test_old_requests_are_removed_and_daily_sums_stay(database: Database, book: PriceBook) -> None:
    records = [record(started=NOON - age * DAY) for age in (0, 1, 100)]
    database.write("number", rows.batch_of(records, book, Tags().of))
    assert database.remove_old(NOON - 90 * DAY) == 1
    assert (count(database), count(database, "attempts"), count(database, "usage_daily")) == (
        2,
        2,
        3,
    )


def test_a_clock_that_is_wrong_removes_nothing(
    recorder: MakeRecorder, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A year ahead, everything would be old."""
    made = recorder()
    run(made, record(), record(started=NOON - 30 * DAY))
    made._database = database
    monkeypatch.setattr("time.time", lambda: NOON + 400 * DAY)
    made._maintain()
    assert count(database) == 2
    database.close()


def test_a_clock_that_is_set_back_changes_nothing_but_the_day(
    recorder: MakeRecorder, database: Database
) -> None:
    run(recorder(), record(), record(started=NOON - 2 * DAY), record())
    found = reports.usage(database, ["day"], 0, 10**6)
    assert [usage.measures["requests"] for usage in found] == [1, 2]
    database.close()


@pytest.mark.parametrize("name", ["\0", "\ud800", "x" * 100_000, "'; DROP TABLE requests; --"])
def test_hostile_names_are_stored(recorder: MakeRecorder, database: Database, name: str) -> None:
    hostile = record(
        model=name, caller=name, user=name, tags=(name,), metadata={name: name}, error_code=name
    )
    made = recorder()
    run(made, hostile, record(attempt(message=name)))
    assert (count(database), made.status().lost) == (2, 0)
    database.close()


def test_a_database_of_a_newer_version_is_left_alone(
    database: Database, recorder: MakeRecorder
) -> None:
    run(recorder(), record())
    database._connect().execute("UPDATE ledger_schema SET version = 99, oldest_writer = 99")
    made = recorder()
    run(made, record())
    assert "newer version of llms" in str(made.status().problem)
    assert made.status().spilled == 1


def test_a_database_of_the_first_version_is_brought_up_to_date(
    database: Database, recorder: MakeRecorder
) -> None:
    """Its attempts have rows of their own."""
    connection = database._connect()
    connection.execute("CREATE TABLE ledger_schema (version BIGINT, oldest_writer BIGINT)")
    connection.execute("INSERT INTO ledger_schema VALUES (1, 1)")
    for statement in schema.MIGRATIONS[0]:
        connection.execute(statement)
    started = f"'{'a' * 24}', {NOON}"
    connection.execute(f"INSERT INTO requests (id, started) VALUES ({started})")
    connection.execute(
        f"INSERT INTO attempts (request_id, started, number, provider) VALUES ({started}, 1, 'old')"
    )
    run(recorder(), record())
    assert (count(database), count(database, "attempts")) == (2, 2)
    found = reports.request(database, "aaaa")
    assert found is not None
    assert [each["provider"] for each in found[1]] == ["old"]


def test_a_database_of_a_newer_version_that_this_one_can_write_to_is_used(
    database: Database, recorder: MakeRecorder
) -> None:
    """Workers of both versions run at the same time while they are replaced."""
    run(recorder(), record())
    database._connect().execute("UPDATE ledger_schema SET version = 99, oldest_writer = 2")
    made = recorder()
    run(made, record())
    assert (made.status().problem, count(database)) == (None, 2)
    database.close()
