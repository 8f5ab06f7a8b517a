"""The latest requests of this process, for the status page: bounded, and without any text of requests or answers."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from llms_core.records import AttemptRecord, Caller, RequestRecord

#: Requests that are kept.
_MAX_REQUESTS = 50
#: Attempts of one request that are kept, and characters of the model's name, which the client chooses.
_MAX_ATTEMPTS = 20
_MAX_NAME = 200


class RecentRequest(msgspec.Struct, frozen=True):
    """One request that has ended."""

    #: When it ended, in Unix seconds.
    ended: float
    record: RequestRecord


class RecentRequests:
    """The latest requests, the newest first. `clock` returns Unix seconds."""

    def __init__(self, clock: Callable[[], float] = time.time):
        self._clock = clock
        self._kept: deque[RecentRequest] = deque(maxlen=_MAX_REQUESTS)

    def add(self, record: RequestRecord) -> None:
        """Keep a request, and forget the oldest one if there are too many."""
        if record.kind is not None or len(record.attempts) > 1 or len(record.model) > _MAX_NAME:
            record = _reduced(record)
        self._kept.appendleft(RecentRequest(self._clock(), record))

    def seen_by(self, caller: Caller | None) -> Sequence[RecentRequest]:
        """Return what a caller may see: their own requests, or all of them for an administrator.

        Without keys, when the caller is None, everybody sees everything.
        """
        if caller is None or caller.is_admin:
            return tuple(self._kept)
        return [each for each in self._kept if each.record.caller == caller.name]


def _reduced(record: RequestRecord) -> RequestRecord:
    """Leave out what may be long, and the texts of errors: a provider may quote the request in them."""
    attempts = tuple(map(_without_text, record.attempts[-_MAX_ATTEMPTS:]))
    return msgspec.structs.replace(record, model=record.model[:_MAX_NAME], attempts=attempts)


def _without_text(attempt: AttemptRecord) -> AttemptRecord:
    return msgspec.structs.replace(attempt, message="", model=attempt.model[:_MAX_NAME])
