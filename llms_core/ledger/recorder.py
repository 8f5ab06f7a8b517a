"""The way from requests to the database: a queue, and a thread that writes what is in it.

A request only appends its record. The thread takes what has gathered in a tenth of a second and writes it as one
batch; what the database does not take within less than a second goes to a file. So no more than the last second is lost
if the process is killed, and nothing if it is told to stop.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from llms_core.errors import LlmsError
from llms_core.ledger import rows
from llms_core.ledger.content import Content
from llms_core.ledger.database import Database, Unavailable, Unwritable
from llms_core.ledger.rows import SECONDS_PER_DAY
from llms_core.ledger.spill import Spill, Texts, Waiting
from llms_core.ledger.tags import Tags
from llms_core.prices.book import PriceBook
from llms_core.records import RequestRecord

log = logging.getLogger("llms_core.ledger")

_GATHER = 0.1
"""Seconds in which records gather for a batch."""

_RETRY = 1.0
"""Seconds between two attempts at a database that is not available, and between two looks for files."""

_MAX_BATCH = 1000
#: Requests whose texts wait in memory. The oldest are lost if neither the database nor a file takes them.
_MAX_CONTENTS = 1000
#: Files that are read in one go, so that new records do not wait for long.
_MAX_FILES = 20
_MAINTENANCE = 3600.0
#: Seconds that a stopping process gives the thread.
_STOP_TIMEOUT = 20.0


class LedgerStatus(msgspec.Struct, frozen=True):
    """The state of the ledger of this process. The counts are those of requests since its start."""

    #: why requests cannot be written now; None if they can
    problem: str | None
    #: waiting in memory
    queued: int
    #: in the database
    written: int
    #: kept in a file at first
    spilled: int
    #: neither written nor kept, because memory and files were full
    lost: int
    #: files of all workers that are waiting
    files: int


class Recorder:
    """Takes records, and writes them in a thread of its own."""

    def __init__(
        self,
        database: Callable[[], Database],
        spill: Spill,
        book: PriceBook,
        tags: Tags,
        *,
        max_queue: int,
        retention: float,
    ):
        """`database` is called in the thread, and may raise LlmsError; `retention` is in seconds."""
        self._make_database = database
        self._database: Database | None = None
        self._spill = spill
        self._book = book
        self._tags = tags
        self._max_queue = max_queue
        self._retention = retention
        self._queue: deque[RequestRecord] = deque()
        self._contents: deque[tuple[RequestRecord, Content]] = deque(maxlen=_MAX_CONTENTS)
        #: Texts that neither the database nor a file has taken so far.
        self._texts: Sequence[Texts] = ()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._problem: str | None = None
        self._written = 0
        self._spilled = 0
        self._lost = 0
        self._files = 0
        self._next_retry = 0.0
        self._next_maintenance = time.monotonic() + _MAINTENANCE / 60
        self._thread = threading.Thread(target=self._run, name="llms-ledger", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def add(self, record: RequestRecord) -> None:
        """Take a record. It is only lost if as many as the queue may hold are waiting."""
        if len(self._queue) >= self._max_queue:
            self._lost += 1
            return
        self._queue.append(record)
        if not self._wake.is_set():
            self._wake.set()

    def add_content(self, record: RequestRecord, content: Content) -> None:
        """Take the texts of a request and of its answer."""
        self._contents.append((record, content))
        self._wake.set()

    def stop(self) -> None:
        """Write what is in the queue, to the database or to a file, and end the thread."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(_STOP_TIMEOUT)
        if self._thread.is_alive():
            log.error("the ledger did not stop in time; %d requests may be lost", len(self._queue))

    def status(self) -> LedgerStatus:
        """Return the state for `/ready` and metrics."""
        return LedgerStatus(
            problem=self._problem,
            queued=len(self._queue),
            written=self._written,
            spilled=self._spilled,
            lost=self._lost,
            files=self._files,
        )

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(_RETRY)
            if self._queue:
                self._stopping.wait(_GATHER)
            self._wake.clear()
            try:
                self._work()
            except Exception:
                # A bug must not end the ledger for good.
                log.exception("the ledger failed")
                self._stopping.wait(_RETRY)
        self._finish()

    def _work(self) -> None:
        while self._is_waiting():
            if not self._record(self._taken()):
                return
        if time.monotonic() >= self._next_retry:
            self._next_retry = time.monotonic() + _RETRY
            self._read_files()
        if self._problem is None and time.monotonic() >= self._next_maintenance:
            self._next_maintenance = time.monotonic() + _MAINTENANCE
            self._maintain()

    def _finish(self) -> None:
        while self._is_waiting():
            if not self._record(self._taken()):
                # They are in memory again.
                self._lost += len(self._queue)
                message = "the ledger lost %d requests, and the texts of %d: neither the database nor a file takes them"
                log.error(message, len(self._queue), len(self._texts))
                self._queue.clear()
                break
        if self._database is not None:
            self._database.close()

    def _is_waiting(self) -> bool:
        return bool(self._queue or self._contents or self._texts)

    def _taken(self) -> Waiting:
        """Take the next batch from memory: requests, and texts only once no request waits."""
        if self._queue:
            size = min(len(self._queue), _MAX_BATCH)
            return Waiting([self._queue.popleft() for _ in range(size)])
        texts = list(self._texts)
        self._texts = ()
        while self._contents:
            record, content = self._contents.popleft()
            texts.append((record.request_id, record.started, *content.texts()))
        return Waiting([], texts)

    def _record(self, waiting: Waiting) -> bool:
        """Write a batch, or keep it in a file. If neither is possible it returns to memory, and it is False."""
        number = uuid.uuid4().hex
        # Without the price list, costs would be missing for good.
        is_priced = self._book.is_loaded or not any(map(_needs_price, waiting.records))
        is_due = self._problem is None or time.monotonic() >= self._next_retry
        if is_priced and is_due and self._write(number, waiting):
            return True
        try:
            unreadable = self._spill.put(number, waiting)
        except OSError as error:
            self._report(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "))
            self._queue.extendleft(reversed(waiting.records))
            self._texts = [*self._texts, *waiting.texts][-_MAX_CONTENTS:]
            self._stopping.wait(_RETRY)
            return False
        self._spilled += len(waiting.records) - unreadable
        self._lost += unreadable
        self._files = len(self._spill.waiting())
        return True

    def _write(self, number: str, waiting: Waiting) -> bool:
        """Write a batch; False if the database is not available."""
        try:
            if self._database is None:
                self._database = self._make_database()
            batch = rows.batch_of(waiting.records, self._book, self._tags.of)
            is_new = self._database.write(number, batch, waiting.texts)
        except Unwritable as error:
            return self._write_singly(number, waiting, str(error))
        except Exception as error:
            if not isinstance(error, Unavailable):
                log.debug("the ledger cannot be written", exc_info=error)
            self._next_retry = time.monotonic() + _RETRY
            self._report(str(error))
            return False
        if is_new:
            self._written += len(waiting.records)
        self._report(None)
        return True

    def _write_singly(self, number: str, waiting: Waiting, reason: str) -> bool:
        """Write the parts of a batch that the database refuses one by one: it refuses only some of them."""
        parts = [Waiting([record]) for record in waiting.records]
        parts += [Waiting([], [texts]) for texts in waiting.texts]
        if len(parts) == 1:
            self._lost += len(waiting.records)
            refused = [record.request_id for record in waiting.records]
            refused += [texts[0] for texts in waiting.texts]
            log.error("the ledger cannot hold request %s: %s", refused[0], reason)
            return True
        # The parts have numbers that follow from the batch's, so that none is written twice.
        written = [self._write(f"{number}.{position}", part) for position, part in enumerate(parts)]
        return all(written)

    def _read_files(self) -> None:
        waiting = self._spill.waiting()
        self._files = len(waiting)
        if not self._book.is_loaded:
            return
        for path in waiting[:_MAX_FILES]:
            taken = self._spill.take(path)
            if taken is None:
                continue
            number, batch = taken
            if not self._write(number, batch):
                return
            self._spill.remove(path)
            self._files -= 1
        if self._files > 0:
            self._next_retry = 0.0
            self._wake.set()
        elif self._problem is not None and not self._queue:
            self._look()

    def _look(self) -> None:
        """Find out whether the database is available again, if there is nothing to write."""
        try:
            if self._database is None:
                self._database = self._make_database()
            self._database.query("SELECT 1")
        except LlmsError as error:
            self._report(str(error))
        else:
            self._report(None)

    def _maintain(self) -> None:
        """Remove what is older than it is kept."""
        database = self._database
        if database is None:
            return
        try:
            newest = database.newest()
            if newest is None:
                return
            # A clock that is set forward by mistake must not remove everything.
            now = min(time.time(), newest + SECONDS_PER_DAY)
            removed = database.remove_old(now - self._retention)
        except (Unavailable, Unwritable) as error:
            self._report(str(error))
            return
        if removed:
            # There may be more.
            self._next_maintenance = time.monotonic() + _RETRY

    def _report(self, problem: str | None) -> None:
        """Log that a problem has begun or ended, and not for every batch."""
        if problem is not None and self._problem is None:
            log.error(
                "the ledger cannot be written: %s. Requests are kept and written later", problem
            )
        elif problem is None and self._problem is not None:
            log.warning("the ledger is written again")
        self._problem = problem


def _needs_price(record: RequestRecord) -> bool:
    return any(attempt.usage is not None and attempt.cost is None for attempt in record.attempts)
