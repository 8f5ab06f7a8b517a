"""The trace of one request while it is served: its id, its attempts, and where its time went."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from contextvars import ContextVar
from functools import lru_cache

from llms_core.candidate import Candidate
from llms_core.contracts.completion import Usage
from llms_core.errors import ProviderError
from llms_core.records import AttemptRecord, Caller


#: W3C's header: version, trace, parent, flags. A later version may append more; zeros alone are not valid.
_TRACEPARENT = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?P<trace>(?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?", re.DOTALL
)


class RequestTrace:
    """What is known about one request. Times are in seconds of `time.perf_counter`."""

    __slots__ = (
        "_upstream_seconds",
        "_upstream_since",
        "attempts",
        "caller",
        "created",
        "headers",
        "id",
        "notes",
        "started",
    )

    def __init__(self, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        #: The client's.
        self.headers = headers
        # Answers whose provider sends no id get one with this in it.
        self.id = os.urandom(12).hex()
        #: Unix seconds.
        self.created = int(time.time())
        #: Who sent the request; None for an anonymous client.
        self.caller: Caller | None = None
        self.started = time.perf_counter()
        self.attempts: list[AttemptRecord] = []
        #: The entries of `x-llms-attempts` so far: failed and skipped candidates.
        self.notes: list[str] = []
        self._upstream_seconds = 0.0
        self._upstream_since: float | None = None

    def upstream_started(self) -> None:
        """Start counting time as upstream time: waiting for a provider, or before a retry."""
        self._upstream_since = time.perf_counter()

    def upstream_ended(self) -> None:
        """Stop counting time as upstream time."""
        if self._upstream_since is not None:
            self._upstream_seconds += time.perf_counter() - self._upstream_since
            self._upstream_since = None

    @property
    def trace_id(self) -> str:
        """The id of the distributed trace that the client's `traceparent` names; empty if there is none."""
        for name, value in self.headers:
            if name == b"traceparent":
                found = _TRACEPARENT.fullmatch(value.strip())
                return found["trace"].decode() if found else ""
        return ""

    @property
    def duration(self) -> float:
        """Seconds since the request began."""
        return time.perf_counter() - self.started

    @property
    def overhead(self) -> float:
        """Seconds that the gateway itself used: the duration without upstream time."""
        return self.duration - self._upstream_seconds

    def skipped(self, provider_id: str) -> None:
        """Note that a candidate is skipped because its circuit is open."""
        self.notes.append(f"{_header_token(provider_id)};skipped=circuit_open")

    def record(
        self,
        candidate: Candidate,
        error: ProviderError | None,
        *,
        duration: float,
        first_token: float | None,
        usage: Usage | None,
    ) -> AttemptRecord:
        """Add the record of an attempt that has ended, and return it."""
        record = AttemptRecord(
            request_id=self.id,
            provider=candidate.provider_id,
            model=candidate.client_model,
            upstream_model=candidate.upstream_model,
            kind=error.kind if error else None,
            status=error.status if error else None,
            message=error.message if error else "",
            duration=duration,
            first_token=first_token,
            usage=usage,
        )
        self.attempts.append(record)
        if error is not None:
            note = f"{_header_token(candidate.provider_id)};error={error.kind.value}"
            if error.status:
                note += f";status={error.status}"
            self.notes.append(note)
        return record

    def attempts_header(self, served_by: str | None = None) -> str:
        """The value of `x-llms-attempts`, such as `groq;error=rate_limit;status=429, openrouter;ok`."""
        if served_by is None:
            return ", ".join(self.notes)
        served = f"{_header_token(served_by)};ok"
        if not self.notes:
            return served
        return ", ".join([*self.notes, served])


current_trace: ContextVar[RequestTrace | None] = ContextVar("current_trace", default=None)
"""The request that the current task answers; None in tasks that belong to none. For the log."""


@lru_cache(maxsize=1024)
def _header_token(text: str) -> str:
    """A provider id with every character that a header token may not contain replaced by `_`."""
    return "".join(char if char.isascii() and (char.isalnum() or char in "-._") else "_" for char in text)
