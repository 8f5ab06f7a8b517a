"""Collects the metrics of one server process, with those of the other workers if there are any."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress

import msgspec

from llms_core.metrics.exposition import expose
from llms_core.metrics.series import Series
from llms_core.metrics.shared import WorkerFiles
from llms_core.metrics.totals import Snapshot, Totals
from llms_core.status import GatewayStatus, Measurement

log = logging.getLogger(__name__)

#: Seconds between two writes of what other workers can read. A worker that is killed loses what it counted since.
_INTERVAL = 1.0

_snapshots = msgspec.msgpack.Decoder(Snapshot)


class Collection:
    """The metrics of one server process. It begins where the event loop runs."""

    def __init__(self, gateway: GatewayStatus):
        self._gateway = gateway
        self._totals = Totals(gateway.model_named)
        self.add_request = self._totals.add_request
        self.add_attempt = self._totals.add_attempt
        folder = gateway.workers_folder
        self._files = None if folder is None else WorkerFiles(folder)
        self._writing = asyncio.Lock()
        #: What has been written: the number of what was counted, and the measurements.
        self._written: tuple[int, list[Measurement]] | None = None
        self._is_failing = False
        self._ending = asyncio.Event()
        self._sharing = asyncio.get_running_loop().create_task(self._share())

    async def text(self, accept: str) -> tuple[bytes, str]:
        """Return the metrics of all workers and their media type, in the format that the header `Accept` prefers."""
        if self._files is None:
            snapshot = self._totals.encoded(self._measured())
            return await asyncio.to_thread(_expose, snapshot, accept)
        await self._write(self._files)
        return await asyncio.to_thread(_expose_files, self._files, accept)

    async def close(self) -> None:
        """Leave what was counted to the other workers."""
        self._ending.set()
        await self._sharing

    async def _share(self) -> None:
        """Write what the other workers need, again and again, and once more at the end."""
        if self._files is None:
            return
        while not self._ending.is_set():
            await self._try_to_write(self._files)
            with suppress(TimeoutError):
                async with asyncio.timeout(_INTERVAL):
                    await self._ending.wait()
        await self._try_to_write(self._files)
        self._files.close()

    async def _try_to_write(self, files: WorkerFiles) -> None:
        try:
            await self._write(files)
            self._is_failing = False
        except OSError as error:
            # Once, and not every second.
            if not self._is_failing:
                log.error("the metrics of this worker cannot be written: %s", error)
            self._is_failing = True

    async def _write(self, files: WorkerFiles) -> None:
        # One after the other, so that an older state does not replace a newer one.
        async with self._writing:
            state = (self._totals.number, list(self._measured()))
            if state == self._written:
                return
            # In a thread, because a disk may be slow.
            await asyncio.to_thread(files.write, self._totals.encoded(state[1]))
            self._written = state

    def _measured(self) -> Iterator[Measurement]:
        yield Measurement(name="llms_workers", help="Processes that answer requests.", value=1)
        yield from self._gateway.measurements()


def _expose(snapshot: bytes, accept: str) -> tuple[bytes, str]:
    series = Series()
    series.add(_snapshots.decode(snapshot))
    return expose(series, accept)


def _expose_files(files: WorkerFiles, accept: str) -> tuple[bytes, str]:
    return expose(files.read(), accept)
