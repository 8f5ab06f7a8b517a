"""The latest requests of this process, for the status page: bounded, and without any text of requests or answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec

from llms_core.records import AttemptRecord, Caller, RequestRecord

#: Requests that are kept.
_MAX_REQUESTS = 50
#: Attempts of one request that are kept, and characters of the model's name, which the client chooses.
_MAX_ATTEMPTS = 20
_MAX_NAME = 200


class RecentRequests:
    """The latest requests."""

    def __init__(self) -> None:
        self._kept: deque[RequestRecord] = deque(maxlen=_MAX_REQUESTS)

    def add(self, record: RequestRecord) -> None:
        """Keep a request, and forget the oldest one if there are too many."""
        is_plain = (
            record.kind is None and len(record.attempts) == 1 and len(record.model) <= _MAX_NAME
        )
        has_labels = record.metadata or record.tags or record.user
        if has_labels or not is_plain:
            record = _reduced(record)
        self._kept.appendleft(record)

    def seen_by(self, caller: Caller | None) -> Sequence[RequestRecord]:
        """Return what a caller may see, the newest first: their own requests, or all of them for an administrator.

        Without keys, when the caller is None, everybody sees everything.
        """
        if caller is None or caller.is_admin:
            return tuple(self._kept)
        return [record for record in self._kept if record.caller == caller.name]


def _reduced(record: RequestRecord) -> RequestRecord:
    """Leave out what may be long, what clients write, and texts of errors: a provider may quote the request in them."""
    attempts = tuple(map(_without_text, record.attempts[-_MAX_ATTEMPTS:]))
    model = record.model[:_MAX_NAME]
    return msgspec.structs.replace(
        record, model=model, attempts=attempts, metadata={}, tags=(), user=None
    )


def _without_text(attempt: AttemptRecord) -> AttemptRecord:
    return msgspec.structs.replace(attempt, message="", model=attempt.model[:_MAX_NAME])
