"""Time series: what processes have counted, as sums over all of them."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from llms_core.metrics import families
from llms_core.metrics.families import OWN_FAMILIES, Family
from llms_core.metrics.totals import AttemptKey, AttemptRow, RequestKey, RequestRow, Snapshot
from llms_core.status import Measurement

Labels = tuple[str, ...]
Values = dict[Labels, list[float]]
"""A histogram's buckets and sum, or a single number, by the values of the family's labels."""


class Series(msgspec.Struct):
    """Sums by family and labels."""

    values: dict[str, Values] = {}
    #: The families that plugins measure; those of requests are the same in all processes.
    measured: dict[str, Family] = {}

    def families(self) -> Iterator[tuple[Family, Values]]:
        """Yield each family with its values. Those of requests are there even if nothing has been counted yet."""
        for family in (*OWN_FAMILIES, *self.measured.values()):
            yield family, self.values.get(family.name, {})

    def add(self, snapshot: Snapshot, *, is_alive: bool = True) -> None:
        """Add what a process has counted; without its gauges if it has ended."""
        for request_key, request in snapshot.requests.items():
            self._add_requests(request_key, request)
        for attempt_key, attempt in snapshot.attempts.items():
            self._add_attempts(attempt_key, attempt)
        for operation, overhead in snapshot.overhead.items():
            self._sum(families.OVERHEAD_SECONDS, (operation,), overhead)
        for measurement in snapshot.measured:
            if is_alive or measurement.kind == "counter":
                self._add_measurement(measurement)

    def _add_requests(self, key: RequestKey, row: RequestRow) -> None:
        dialect, operation, model, provider, stream = key
        for status, number in row.statuses.items():
            self._sum(
                families.REQUESTS, (dialect, operation, model, provider, str(status)), [number]
            )
        for (kind, at_fault), number in row.failures.items():
            self._sum(families.REQUEST_FAILURES, (operation, model, kind, at_fault), [number])
        self._sum(families.REQUEST_SECONDS, (operation, model, str(stream).lower()), row.seconds)

    def _add_attempts(self, key: AttemptKey, row: AttemptRow) -> None:
        self._sum(families.ATTEMPTS, key, [row.attempts])
        for (kind, at_fault), number in row.failures.items():
            self._sum(families.ATTEMPT_FAILURES, (*key, kind, at_fault), [number])
        self._sum(families.ATTEMPT_SECONDS, key, row.seconds)
        self._sum(families.FIRST_TOKEN_SECONDS, key, row.first_token)
        self._sum(families.BETWEEN_TOKENS_SECONDS, key, row.between_tokens)
        for kind, number in (("input", row.input), ("output", row.output), *row.parts.items()):
            if number:
                self._sum(families.TOKENS, (*key, kind), [number])
        self._sum(families.COST, key, [row.cost])
        self._sum(families.UNPRICED, key, [row.unpriced])

    def _add_measurement(self, measurement: Measurement) -> None:
        name = measurement.name
        family = Family(name, measurement.help, measurement.kind, tuple(measurement.labels))
        known = self.measured.setdefault(name, family)
        # One plugin may measure what another does, and in its own way: the first one decides.
        if known.labels == family.labels and known.kind == family.kind:
            self._sum_named(name, tuple(measurement.labels.values()), [measurement.value])

    def _sum(self, family: Family, labels: Labels, numbers: list[float]) -> None:
        # A histogram without values would be a series of zeros for every model.
        if len(numbers) == 1 or any(numbers):
            self._sum_named(family.name, labels, numbers)

    def _sum_named(self, name: str, labels: Labels, numbers: list[float]) -> None:
        values = self.values.setdefault(name, {})
        known = values.get(labels)
        if known is None:
            values[labels] = numbers
        else:
            values[labels] = [one + another for one, another in zip(known, numbers, strict=True)]
