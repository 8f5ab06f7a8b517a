"""The trace of one request while it is served: its id, its attempts, and where its time went."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from functools import lru_cache
from urllib.parse import urlsplit

from llms_core.candidate import Candidate
from llms_core.contracts.completion import Usage
from llms_core.contracts.token_counts import tokens_of
from llms_core.errors import ERROR_TABLE, ProviderError
from llms_core.prices.book import PriceBook
from llms_core.prices.cost import cost_of
from llms_core.prices.rates import Rates
from llms_core.records import AttemptRecord, AttemptStart, Caller, id_at

#: Characters of a service tier.
_MAX_TIER = 32


#: W3C's header: version, trace, parent, flags. A later version may append more; zeros alone are not valid.
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?P<trace>(?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?",
    re.DOTALL,
)
#: The headers of W3C's Trace Context and Baggage.
_CONTEXT = frozenset({b"traceparent", b"tracestate", b"baggage"})


class RequestTrace:
    """What is known about one request. Times are in seconds of `time.perf_counter`."""

    __slots__ = (
        "_upstream_seconds",
        "_upstream_since",
        "arrived",
        "attempts",
        "caller",
        "created",
        "dialect",
        "first_token",
        "headers",
        "id",
        "notes",
        "operation",
        "service_tier",
        "started",
        "traceparent",
    )

    def __init__(
        self, operation: str = "", dialect: str = "", headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        #: The client's.
        self.headers = headers
        #: What the last attempt told the provider about the distributed trace; empty if nothing.
        self.traceparent = ""
        #: The names of the operation, and of the format in which the client wrote the request.
        self.operation = operation
        self.dialect = dialect
        #: Unix seconds.
        self.arrived = time.time()
        # Answers whose provider sends no id get one with this in it.
        self.id = f"{id_at(self.arrived)}{os.urandom(6).hex()}"
        #: The same as a whole number, for answers.
        self.created = int(self.arrived)
        #: What the client chose as `service_tier`.
        self.service_tier: str | None = None
        #: Seconds until the first token of the answer; None before that.
        self.first_token: float | None = None
        #: Who sent the request; None for an anonymous client.
        self.caller: Caller | None = None
        self.started = time.perf_counter()
        self.attempts: list[AttemptRecord] = []
        #: The entries of `x-llms-attempts` so far: failed and skipped candidates.
        self.notes: list[str] = []
        self._upstream_seconds = 0.0
        self._upstream_since: float | None = None

    def committed(self) -> None:
        """Note that the first content of an answer has arrived."""
        self.upstream_ended()
        self.first_token = self.duration

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
        """The id of the distributed trace that the request belongs to; empty if there is none.

        It is that of the client's `traceparent`, or the one that a plugin has begun.
        """
        found = _TRACEPARENT.fullmatch(self.traceparent or self.context.get("traceparent", ""))
        return found["trace"] if found else ""

    @property
    def context(self) -> Mapping[str, str]:
        """The client's headers about the distributed trace."""
        # A client may send any bytes.
        return {
            name.decode(): value.decode("latin-1").strip()
            for name, value in self.headers
            if name in _CONTEXT
        }

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

    def start_of(self, candidate: Candidate) -> AttemptStart:
        """What plugins learn of an attempt that begins now."""
        return AttemptStart(
            request_id=self.id,
            provider=candidate.provider_id,
            provider_type=candidate.spec.name,
            base_url=_without_credentials(candidate.settings.base_url or candidate.spec.base_url),
            model=candidate.client_model,
            upstream_model=candidate.upstream_model,
            operation=self.operation,
            started=self.arrived + self.duration,
            request_started=self.arrived,
            trace_context=self.context,
        )

    def record(
        self,
        candidate: Candidate,
        error: ProviderError | None,
        *,
        duration: float,
        first_token: float | None,
        usage: Usage | None,
        chunks: int = 0,
        prices: PriceBook | None = None,
    ) -> AttemptRecord:
        """Add the record of an attempt that has ended, and return it."""
        # The clock may be set back at any time, so the attempt's beginning follows from the request's.
        started = self.arrived + max(0.0, self.duration - duration)
        tokens = None if usage is None else tokens_of(usage)
        tier = self.service_tier if usage is None else _service_tier(usage, self.service_tier)
        base_url = _without_credentials(candidate.settings.base_url or candidate.spec.base_url)
        cost = None
        if usage is not None and tokens is not None:
            configured = candidate.price.rates if candidate.price is not None else None

            def look_up() -> Rates | None:
                if prices is None:
                    return None
                return prices.rates(
                    base_url, candidate.spec.name, candidate.upstream_model, self.arrived, tier
                )

            cost = cost_of(configured, usage, tokens, look_up)
        # By position, in the order of the struct: with names, this takes six times as long.
        record = AttemptRecord(
            self.id,
            candidate.provider_id,
            candidate.client_model,
            candidate.upstream_model,
            error.kind if error else None,
            error.status if error else None,
            error.message if error else "",
            duration,
            first_token,
            usage,
            started,
            self.operation,
            candidate.spec.name,
            base_url,
            ERROR_TABLE[error.kind].at_fault if error else None,
            tokens,
            None if cost is None else cost.amount,
            None if cost is None else cost.source,
            tier,
            chunks,
            duration - first_token if chunks and first_token is not None else None,
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


def _service_tier(usage: Usage, requested: str | None) -> str | None:
    reported = usage.service_tier
    if isinstance(reported, str):
        return reported[:_MAX_TIER]
    return requested


@lru_cache(maxsize=1024)
def _without_credentials(url: str) -> str:
    """A URL without user, password and query, which may be secrets."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    # The adapter fills in what is missing.
    if "{" in host:
        return ""
    if host:
        return f"{parts.scheme}://{host}{parts.path}"
    return ""


@lru_cache(maxsize=1024)
def _header_token(text: str) -> str:
    """A provider id with every character that a header token may not contain replaced by `_`."""
    return "".join(
        char if char.isascii() and (char.isalnum() or char in "-._") else "_" for char in text
    )
