"""Workers share what they have counted: each writes it to a file about once a second, and any of them reads all files.

A scrape reaches one of the workers. It reads its own numbers from its file, too, after it has written it: otherwise the
next scrape, which may reach another worker, could find less than this one, and Prometheus would take it for a restart.

A worker that ends, in whichever way, leaves its file. Its counters stay, its gauges do not count any more. The files of
ended workers are joined to one, so that a worker that keeps crashing does not fill the folder.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import msgspec

from llms_core.metrics.series import Series
from llms_core.metrics.totals import Snapshot

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_COUNTED = ".counted"
_ALIVE = ".alive"
_ENDED = "ended"
_LOCK = "lock"

_snapshots = msgspec.msgpack.Decoder(Snapshot)


class Ended(msgspec.Struct):
    """What workers had counted when they ended."""

    series: Series = msgspec.field(default_factory=Series)
    #: The files that are part of it. One of them may still exist, if whoever joined them ended before it was removed.
    files: set[str] = set()


_ended = msgspec.msgpack.Decoder(Ended)


class WorkerFiles:
    """The files of one worker, in the folder of all of them. Its methods do I/O, and may be called in a thread."""

    def __init__(self, folder: Path):
        self._folder = folder / "metrics"
        self._folder.mkdir(exist_ok=True)
        # Not the number of the process alone, which may come again.
        name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._path = self._folder / f"{name}{_COUNTED}"
        #: Locked by the operating system for as long as this process lives.
        self._alive = (self._folder / f"{name}{_ALIVE}").open("wb")
        _lock(self._alive, wait=True)

    def write(self, snapshot: bytes) -> None:
        """Write what this worker has counted so far, an encoded Snapshot."""
        _replace(self._path, snapshot)

    def read(self) -> Series:
        """Return the sums over all workers, those that have ended included."""
        with self._exclusively():
            ended = self._read_ended()
            living: list[Snapshot] = []
            gone: list[Path] = []
            for path in self._folder.glob(f"*{_COUNTED}"):
                if path.name in ended.files:
                    gone.append(path)
                    continue
                is_alive = path == self._path or _is_locked(path.with_suffix(_ALIVE))
                snapshot = _snapshots.decode(path.read_bytes())
                if is_alive:
                    living.append(snapshot)
                else:
                    ended.series.add(snapshot, is_alive=False)
                    gone.append(path)
            self._join(ended, gone)
        series = ended.series
        for snapshot in living:
            series.add(snapshot)
        return series

    def close(self) -> None:
        """Count as a worker that has ended."""
        self._alive.close()

    def _read_ended(self) -> Ended:
        try:
            return _ended.decode((self._folder / _ENDED).read_bytes())
        except FileNotFoundError:
            return Ended()

    def _join(self, ended: Ended, gone: list[Path]) -> None:
        """Keep the sums of ended workers, and remove their files."""
        if not gone:
            return
        ended.files = {path.name for path in gone}
        _replace(self._folder / _ENDED, msgspec.msgpack.encode(ended))
        for path in gone:
            path.unlink(missing_ok=True)
            # Windows keeps what another process has open.
            with suppress(OSError):
                path.with_suffix(_ALIVE).unlink(missing_ok=True)

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        with (self._folder / _LOCK).open("wb") as file:
            _lock(file, wait=True)
            yield


def _replace(path: Path, data: bytes) -> None:
    written = path.with_suffix(f".{secrets.token_hex(4)}")
    written.write_bytes(data)
    written.replace(path)


def _lock(file: IO[bytes], *, wait: bool) -> None:
    """Lock a file until it is closed. Raises BlockingIOError if another process has it and we do not `wait`."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_locked(path: Path) -> bool:
    # Where there are no such locks, a worker that has ended cannot be told from one that lives.
    if fcntl is None:
        return True
    try:
        with path.open("rb") as file:
            _lock(file, wait=False)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False
