"""The files by which workers share what they have counted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import msgspec
import pytest

from llms_core.metrics.series import Series
from llms_core.metrics.shared import WorkerFiles
from llms_core.metrics.totals import AttemptRow, Snapshot
from llms_core.status import Measurement

KEY = ("chat", "first", "up-m")


def counted(attempts: int, *measured: Measurement) -> bytes:
    """What a worker has counted: attempts, with a histogram, and what plugins have measured."""
    row = AttemptRow(attempts=attempts)
    row.seconds[3] = attempts
    row.seconds[-1] = attempts * 0.5
    return msgspec.msgpack.encode(Snapshot(attempts={KEY: row}, measured=list(measured)))


def gauge(value: float) -> Measurement:
    return Measurement(name="llms_requests_in_flight", help="Running.", value=value)


def counter(value: float) -> Measurement:
    return Measurement(
        name="acme_rows_total", help="Rows.", value=value, kind="counter", labels={"table": "t"}
    )


def number(series: Series, name: str, labels: tuple[str, ...] = ()) -> float | None:
    found = series.values.get(name, {}).get(labels)
    return None if found is None else found[0]


@contextmanager
def other_worker(folder: Path, data: bytes) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has written `data`, and lives until it is killed."""
    program = (
        "import sys\nfrom pathlib import Path\nfrom llms_core.metrics.shared import WorkerFiles\n"
        f"files = WorkerFiles(Path({str(folder)!r}))\nfiles.write({data!r})\n"
        "print('written', flush=True)\nsys.stdin.read()\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe) as process:
        output: IO[bytes] | None = process.stdout
        assert output is not None
        assert output.readline() == b"written\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[WorkerFiles]:
    files = WorkerFiles(tmp_path)
    files.write(counted(1, gauge(2), counter(3)))
    yield files
    files.close()


def test_workers_are_summed(mine: WorkerFiles, tmp_path: Path) -> None:
    with other_worker(tmp_path, counted(10, gauge(20), counter(30))):
        found = mine.read()
    assert number(found, "llms_attempts_total", KEY) == 11
    assert number(found, "llms_requests_in_flight") == 22
    assert number(found, "acme_rows_total", ("t",)) == 33
    seconds = found.values["llms_attempt_duration_seconds"][KEY]
    assert (seconds[3], seconds[-1]) == (11, 5.5)


def test_a_killed_workers_counters_stay_and_its_gauges_vanish(
    mine: WorkerFiles, tmp_path: Path
) -> None:
    with other_worker(tmp_path, counted(10, gauge(20), counter(30))) as process:
        process.kill()
        process.wait()
        for _ in range(3):
            found = mine.read()
            assert number(found, "llms_attempts_total", KEY) == 11
            assert number(found, "llms_requests_in_flight") == 2
            assert number(found, "acme_rows_total", ("t",)) == 33


def test_workers_that_keep_crashing_do_not_fill_the_folder(
    mine: WorkerFiles, tmp_path: Path
) -> None:
    before = len(list((tmp_path / "metrics").iterdir()))
    for crashes in range(1, 11):
        gone = WorkerFiles(tmp_path)
        gone.write(counted(1))
        gone.close()
        assert number(mine.read(), "llms_attempts_total", KEY) == 1 + crashes
    # The sums of all that have ended, and the lock of those who read.
    assert len(list((tmp_path / "metrics").iterdir())) <= before + 2


def test_a_worker_that_is_killed_while_it_joins_files_counts_nothing_twice(
    mine: WorkerFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sums have been written, and the files they are of are still there."""
    gone = WorkerFiles(tmp_path)
    gone.write(counted(10))
    gone.close()
    with ExitStack() as undone:
        undone.enter_context(monkeypatch.context()).setattr(Path, "unlink", _killed)
        with pytest.raises(KeyboardInterrupt):
            mine.read()
    assert [number(mine.read(), "llms_attempts_total", KEY) for _ in range(2)] == [11, 11]


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_full_disk_leaves_what_was_written(
    mine: WorkerFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", fail)
        with pytest.raises(OSError, match="No space left"):
            mine.write(counted(2))
    assert number(mine.read(), "llms_attempts_total", KEY) == 1
