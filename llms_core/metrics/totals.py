"""Counts finished requests. This runs once per request, on the event loop.

Prometheus' own client would take longer for this than everything else that follows a request: each of some fifteen
numbers has a lock, and with several workers a file. Here they are attributes of a row, which is found once, and become
metrics when somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from llms_core.contracts.token_counts import Tokens
from llms_core.metrics.families import (
    BETWEEN_TOKENS_BOUNDS,
    DURATION_BOUNDS,
    FIRST_TOKEN_BOUNDS,
    NONE,
    OTHER,
    OVERHEAD_BOUNDS,
    UNKNOWN,
)
from llms_core.records import AttemptRecord, RequestRecord
from llms_core.status import Measurement

#: Rows of each kind. Providers that discover models may have any number of them in the course of time. A scrape of so
#: many takes a second of CPU, in a thread, and has 80,000 lines.
MAX_ROWS = 1000
#: Spellings of models that are remembered.
_MAX_NAMES = 5000

Histogram = list[float]
"""How many values each bucket has, the one to infinity included; then the sum of all values."""

Failures = dict[tuple[str, str], int]
"""Numbers by the kind of error and the party at fault."""

RequestKey = tuple[str, str, str, str, bool]
AttemptKey = tuple[str, str, str]
Key = TypeVar("Key")
Row = TypeVar("Row")

#: What a request that was refused before any attempt is counted as. The `code` of its error may be a plugin's own.
_KIND_OF_STATUS = {
    400: "invalid_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    408: "timeout",
    413: "too_large",
    429: "limit",
    499: "cancelled",
    503: "unavailable",
}


def _histogram(bounds: tuple[float, ...]) -> Callable[[], Histogram]:
    return lambda: [0.0] * (len(bounds) + 2)


class RequestRow(msgspec.Struct):
    """Requests of one dialect, operation, model, provider and kind of answer (stream or whole)."""

    statuses: dict[int, int] = {}
    failures: Failures = {}
    seconds: Histogram = msgspec.field(default_factory=_histogram(DURATION_BOUNDS))


class AttemptRow(msgspec.Struct):
    """Attempts at one upstream model of one provider for one operation."""

    attempts: int = 0
    failures: Failures = {}
    seconds: Histogram = msgspec.field(default_factory=_histogram(DURATION_BOUNDS))
    first_token: Histogram = msgspec.field(default_factory=_histogram(FIRST_TOKEN_BOUNDS))
    between_tokens: Histogram = msgspec.field(default_factory=_histogram(BETWEEN_TOKENS_BOUNDS))
    input: int = 0
    output: int = 0
    #: The parts of input and output, by type.
    parts: dict[str, int] = {}
    cost: float = 0.0
    unpriced: int = 0


class Snapshot(msgspec.Struct):
    """Everything that one process has counted."""

    requests: dict[RequestKey, RequestRow] = {}
    attempts: dict[AttemptKey, AttemptRow] = {}
    #: By operation.
    overhead: dict[str, Histogram] = {}
    measured: list[Measurement] = []


class Totals:
    """What this process has counted so far. `model_named` is that of the gateway's status."""

    def __init__(self, model_named: Callable[[str], str | None]):
        self._snapshot = Snapshot()
        self._model_named = model_named
        #: The label of each spelling of a configured model. Others are not kept, because clients can invent any number.
        self._names: dict[str, str] = {}
        #: Changes with everything that is counted.
        self.number = 0

    def add_request(self, record: RequestRecord) -> None:
        """Count a request that has ended."""
        self.number += 1
        model = self._names.get(record.model) or self._label(record.model)
        operation = record.operation
        key = (record.dialect, operation, model, record.provider or NONE, record.stream)
        row = self._snapshot.requests.get(key) or self._new_request_row(key)
        status = record.status
        row.statuses[status] = row.statuses.get(status, 0) + 1
        if record.at_fault is None:
            _observe(row.seconds, DURATION_BOUNDS, record.duration)
        else:
            kind = _KIND_OF_STATUS.get(status, OTHER) if record.kind is None else record.kind.value
            failure = (kind, record.at_fault)
            row.failures[failure] = row.failures.get(failure, 0) + 1
        overhead = self._snapshot.overhead.get(operation)
        if overhead is None:
            overhead = self._snapshot.overhead[operation] = _histogram(OVERHEAD_BOUNDS)()
        _observe(overhead, OVERHEAD_BOUNDS, record.overhead)

    def add_attempt(self, record: AttemptRecord) -> None:
        """Count an attempt that has ended."""
        self.number += 1
        key = (record.operation, record.provider, record.upstream_model)
        row = self._snapshot.attempts.get(key) or self._new_attempt_row(key)
        row.attempts += 1
        tokens = record.tokens
        if record.kind is None:
            _observe(row.seconds, DURATION_BOUNDS, record.duration)
        else:
            failure = (record.kind.value, record.at_fault or OTHER)
            row.failures[failure] = row.failures.get(failure, 0) + 1
        # Of a whole answer, nobody knows when its first token was there.
        if record.chunks and record.first_token is not None:
            _observe(row.first_token, FIRST_TOKEN_BOUNDS, record.first_token)
            if tokens is not None and tokens.output > 1 and record.stream_duration is not None:
                _observe(
                    row.between_tokens,
                    BETWEEN_TOKENS_BOUNDS,
                    record.stream_duration / (tokens.output - 1),
                )
        if tokens is not None:
            row.input += tokens.input
            row.output += tokens.output
            if _has_parts(tokens):
                _add_parts(row.parts, tokens)
            if record.cost is None:
                row.unpriced += 1
            else:
                row.cost += record.cost

    def encoded(self, measured: Iterable[Measurement]) -> bytes:
        """Return a Snapshot of everything, with what is `measured` now."""
        # Names are looked up again, because the configuration may have changed.
        self._names.clear()
        self._snapshot.measured = list(measured)
        return _encoder.encode(self._snapshot)

    def _label(self, name: str) -> str:
        label = self._model_named(name)
        if label is None:
            return UNKNOWN
        if len(self._names) >= _MAX_NAMES:
            self._names.clear()
        self._names[name] = label
        return label

    def _new_request_row(self, key: RequestKey) -> RequestRow:
        rows = self._snapshot.requests
        return _new_row(rows, key, (key[0], key[1], OTHER, OTHER, key[4]), RequestRow)

    def _new_attempt_row(self, key: AttemptKey) -> AttemptRow:
        return _new_row(self._snapshot.attempts, key, (key[0], OTHER, OTHER), AttemptRow)


_encoder = msgspec.msgpack.Encoder()


def _new_row(rows: dict[Key, Row], key: Key, other: Key, make: Callable[[], Row]) -> Row:
    """Return a new row; that of all `other` ones once there are too many."""
    if len(rows) >= MAX_ROWS:
        key = other
    return rows.setdefault(key, make())


def _observe(histogram: Histogram, bounds: tuple[float, ...], value: float) -> None:
    histogram[bisect_left(bounds, value)] += 1
    histogram[-1] += value


def _has_parts(tokens: Tokens) -> bool:
    # Most answers have none.
    text = tokens.cached or tokens.cache_write or tokens.reasoning
    return bool(
        text
        or tokens.audio_input
        or tokens.audio_output
        or tokens.image_input
        or tokens.image_output
    )


def _add_parts(counted: dict[str, int], tokens: Tokens) -> None:
    for name, number in (
        ("cached", tokens.cached),
        ("cache_write", tokens.cache_write),
        ("reasoning", tokens.reasoning),
        ("audio_input", tokens.audio_input),
        ("audio_output", tokens.audio_output),
        ("image_input", tokens.image_input),
        ("image_output", tokens.image_output),
    ):
        if number:
            counted[name] = counted.get(name, 0) + number
