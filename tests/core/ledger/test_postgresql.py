"""The ledger in a real PostgreSQL, which is stopped while requests are recorded."""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from llms_core.ledger import reports
from llms_core.ledger.postgresql import Postgresql
from llms_core.ledger.recorder import Recorder
from llms_core.ledger.rows import batch_of
from llms_core.ledger.spill import Spill
from llms_core.ledger.tags import Tags
from llms_core.prices.book import PriceBook
from tests.core.ledger.conftest import DAY, record
from tests.core.server.conftest import until

psycopg = pytest.importorskip("psycopg")

HOST, PORT, USER = "127.0.0.1", 5432, "postgres"
ALL_DAYS = (0, 10**6)


@pytest.fixture(scope="module")
def name() -> Iterator[str]:
    """A database of its own."""
    name = f"llms_{uuid.uuid4().hex}"
    try:
        connection = psycopg.connect(
            f"postgresql://{USER}@{HOST}:{PORT}/postgres", autocommit=True, connect_timeout=3
        )
    except psycopg.OperationalError as error:
        pytest.skip(f"there is no PostgreSQL at {HOST}:{PORT}: {error}")
    with closing(connection):
        connection.execute(f"CREATE DATABASE {name}")
        yield name
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


class Proxy:
    """Stands before the server, and can be stopped as the server would be."""

    def __init__(self) -> None:
        self._listener: socket.socket | None = None
        self._pairs: list[socket.socket] = []
        with closing(socket.create_server((HOST, 0))) as probe:
            self.port: int = probe.getsockname()[1]
        #: Cleared, bytes are held back, as by a server that hangs.
        self.flows = threading.Event()
        self.flows.set()

    def start(self) -> None:
        self._listener = socket.create_server((HOST, self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        assert self._listener is not None
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._pairs:
            with ignoring_errors():
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._pairs.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection((HOST, PORT))
            except OSError:
                return
            self._pairs += [client, server]
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with ignoring_errors():
            while data := source.recv(65536):
                self.flows.wait()
                sink.sendall(data)
        for each in (source, sink):
            with ignoring_errors():
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def ignoring_errors() -> Iterator[None]:
    """A connection may be closed already."""
    try:
        yield
    except OSError:
        return


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    made = Proxy()
    made.start()
    yield made
    made.flows.set()
    made.stop()


@pytest.fixture
def database(name: str) -> Iterator[Postgresql]:
    """The database, empty."""
    made = Postgresql(f"postgresql://{USER}@{HOST}:{PORT}/{name}", timeout=30)
    tables = (
        "requests",
        "other_attempts",
        "usage_daily",
        "usage_daily_tags",
        "batches",
        "contents",
        "ledger_schema",
    )
    with closing(made._connect()) as connection:
        connection.execute(f"DROP TABLE IF EXISTS {', '.join(tables)} CASCADE")
    yield made
    made.close()


def recorder(url: str, folder: Path, book: PriceBook) -> Recorder:
    database = Postgresql(url)
    return Recorder(
        lambda: database,
        Spill(folder / "spill", 10**8),
        book,
        Tags(),
        max_queue=100_000,
        retention=90 * DAY,
    )


def test_requests_are_recorded_and_reported(
    database: Postgresql, name: str, tmp_path: Path, book: PriceBook
) -> None:
    made = recorder(f"postgresql://{USER}@{HOST}:{PORT}/{name}", tmp_path, book)
    made.start()
    for _ in range(1500):
        made.add(record(tags=("a",), model="\0\ud800"))
    made.stop()
    assert (made.status().written, made.status().problem, made.status().lost) == (1500, None, 0)
    (row,) = reports.usage(database, ["model"], *ALL_DAYS)
    assert (row.measures["requests"], row.measures["input"], row.measures["cost"]) == (
        1500,
        150_000,
        750.0,
    )
    found = database.query("SELECT id FROM requests LIMIT 1")
    request = reports.request(database, found[0][0])
    assert request is not None
    assert len(request[1]) == 1


def has_written(recorder: Recorder, expected: int) -> bool:
    """Whether so many requests are in the database, or the first is in a file."""
    status = recorder.status()
    return status.written >= expected or status.spilled > 0


def test_a_server_that_is_stopped_and_started_again_loses_nothing(
    database: Postgresql, name: str, tmp_path: Path, book: PriceBook, proxy: Proxy
) -> None:
    """Nor is anything counted twice, although some transactions end in an unknown way."""
    made = recorder(f"postgresql://{USER}@{HOST}:{proxy.port}/{name}", tmp_path, book)
    made.start()
    for turn in range(4):
        for _ in range(300):
            made.add(record())
        until(partial(has_written, made, (turn + 1) * 300))
        proxy.stop()
        for _ in range(200):
            made.add(record())
        until(lambda: made.status().problem is not None)
        proxy.start()
        until(
            lambda: (
                made.status().problem is None
                and made.status().files == 0
                and not made.status().queued
            )
        )
    made.stop()
    assert (made.status().written, made.status().lost) == (2000, 0)
    (row,) = reports.usage(database, ["model"], *ALL_DAYS)
    assert (row.measures["requests"], row.measures["input"]) == (2000, 200_000)


def test_a_server_that_hangs_keeps_nobody_waiting(
    database: Postgresql, name: str, tmp_path: Path, book: PriceBook, proxy: Proxy
) -> None:
    """What it does not take in time is in a file, so that it is not lost if the process is killed."""
    made = recorder(f"postgresql://{USER}@{HOST}:{proxy.port}/{name}", tmp_path, book)
    made.start()
    made.add(record())
    until(lambda: made.status().written == 1)
    proxy.flows.clear()
    made.add(record())
    until(lambda: made.status().spilled == 1, 5.0)
    assert made.status().problem is not None
    proxy.flows.set()
    until(lambda: made.status().written == 2)
    made.stop()
    (row,) = reports.usage(database, ["model"], *ALL_DAYS)
    assert row.measures["requests"] == 2


def test_a_batch_that_two_workers_write_at_the_same_time_counts_once(
    database: Postgresql, name: str, book: PriceBook
) -> None:
    """They may find the same file."""
    batch = batch_of([record() for _ in range(500)], book, Tags().of)
    database.query("SELECT 1")
    workers = [
        Postgresql(f"postgresql://{USER}@{HOST}:{PORT}/{name}", timeout=30) for _ in range(4)
    ]
    with ThreadPoolExecutor(4) as pool:
        written = sorted(pool.map(lambda worker: worker.write("number", batch), workers))
    for worker in workers:
        worker.close()
    assert written == [False, False, False, True]
    (row,) = reports.usage(database, ["model"], *ALL_DAYS)
    assert row.measures["requests"] == 500


def test_tables_that_are_gone_lose_nothing(
    database: Postgresql, name: str, tmp_path: Path, book: PriceBook
) -> None:
    """They are missing until somebody restores them; requests wait in files."""
    made = recorder(f"postgresql://{USER}@{HOST}:{PORT}/{name}", tmp_path, book)
    made.start()
    made.add(record())
    until(lambda: made.status().written == 1)
    _execute(name, "ALTER TABLE requests RENAME TO away")
    made.add(record())
    until(lambda: made.status().spilled == 1)
    _execute(name, "ALTER TABLE away RENAME TO requests")
    until(lambda: made.status().written == 2)
    made.stop()
    assert made.status().lost == 0


def _execute(name: str, statement: str) -> None:
    with closing(
        psycopg.connect(f"postgresql://{USER}@{HOST}:{PORT}/{name}", autocommit=True)
    ) as connection:
        connection.execute(statement)


def test_several_workers_make_the_tables_at_the_same_time(
    database: Postgresql, name: str, tmp_path: Path, book: PriceBook
) -> None:
    url = f"postgresql://{USER}@{HOST}:{PORT}/{name}"
    made = [recorder(url, tmp_path / f"{number}", book) for number in range(4)]
    for each in made:
        each.start()
        for _ in range(200):
            each.add(record(tags=("a", "b")))
    for each in made:
        each.stop()
    assert [
        (each.status().lost, each.status().written + each.status().spilled) for each in made
    ] == [(0, 200)] * 4
    for each in made:
        each._read_files()
        assert each._database is not None
        each._database.close()
    (row,) = reports.usage(database, ["model"], *ALL_DAYS)
    assert row.measures["requests"] == 800
