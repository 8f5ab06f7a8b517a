"""What is known of one request while it is served: its id, its attempts, and where its time went."""

from __future__ import annotations

import os
import time
from functools import lru_cache

from llms_core.contracts.completion import Usage
from llms_core.errors import ProviderError
from llms_core.records import AttemptRecord
from llms_core.routing.candidates import Candidate


class Track:
    """One request's. `clock` times are `time.perf_counter` seconds."""

    __slots__ = ("_upstream", "_waiting", "attempts", "created", "id", "notes", "started")

    def __init__(self) -> None:
        self.id = os.urandom(12).hex()
        self.created = int(time.time())
        self.started = time.perf_counter()
        self.attempts: list[AttemptRecord] = []
        self.notes: list[str] = []
        self._upstream = 0.0
        self._waiting: float | None = None

    def waits(self) -> None:
        """From now on the gateway waits: for a provider, or before it asks one again."""
        self._waiting = time.perf_counter()

    def answers(self) -> None:
        """The wait is over."""
        if self._waiting is not None:
            self._upstream += time.perf_counter() - self._waiting
            self._waiting = None

    @property
    def duration(self) -> float:
        """Seconds since the request began."""
        return time.perf_counter() - self.started

    @property
    def overhead(self) -> float:
        """Seconds that were not spent waiting for a provider."""
        return self.duration - self._upstream

    def skipped(self, provider: str) -> None:
        """A candidate is passed over because its circuit is open."""
        self.notes.append(f"{_token(provider)};skipped=circuit_open")

    def record(
        self,
        candidate: Candidate,
        error: ProviderError | None,
        *,
        duration: float,
        first_token: float | None,
        usage: Usage | None,
    ) -> AttemptRecord:
        """Note an attempt that is over."""
        record = AttemptRecord(
            request_id=self.id,
            provider=candidate.provider.id,
            model=candidate.name,
            upstream_model=candidate.model.upstream,
            kind=error.kind if error else None,
            status=error.status if error else None,
            message=error.message if error else "",
            duration=duration,
            first_token=first_token,
            usage=usage,
        )
        self.attempts.append(record)
        if error is not None:
            status = f";status={error.status}" if error.status else ""
            self.notes.append(f"{_token(record.provider)};error={error.kind.value}{status}")
        return record

    def attempts_header(self, served_by: str | None = None) -> str:
        """`x-llms-attempts`: `groq;error=rate_limit;status=429, openrouter;ok`."""
        if served_by is None:
            return ", ".join(self.notes)
        return ", ".join([*self.notes, f"{_token(served_by)};ok"]) if self.notes else f"{_token(served_by)};ok"


@lru_cache(maxsize=1024)
def _token(text: str) -> str:
    """A provider's id as a header may carry it."""
    return "".join(char if char.isascii() and (char.isalnum() or char in "-._") else "_" for char in text)
