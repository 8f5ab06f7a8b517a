"""The numbers of the ledger that `/metrics` shows."""

from __future__ import annotations

from collections.abc import Iterator

from llms_core.ledger.recorder import LedgerStatus
from llms_core.status import Measurement


def measurements(status: LedgerStatus) -> Iterator[Measurement]:
    """Yield the state of the ledger of this process."""
    yield Measurement(
        name="llms_ledger_queue", help="Requests that wait in memory.", value=status.queued
    )
    is_failing = float(status.problem is not None)
    yield Measurement(
        name="llms_ledger_failing", help="Workers whose ledger cannot be written.", value=is_failing
    )
    for name, text, value in (
        (
            "llms_ledger_written_total",
            "Requests that were written to the database.",
            status.written,
        ),
        (
            "llms_ledger_spilled_total",
            "Requests that were kept in a file at first.",
            status.spilled,
        ),
        ("llms_ledger_lost_total", "Requests that were neither written nor kept.", status.lost),
    ):
        yield Measurement(name=name, help=text, value=value, kind="counter")
