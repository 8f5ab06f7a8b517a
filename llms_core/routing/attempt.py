"""One attempt at one candidate, which ends exactly once and produces at most one record."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Mapping
from enum import Enum, auto
from types import TracebackType
from typing import Self

from llms_core.candidate import Candidate
from llms_core.contracts.completion import Usage
from llms_core.errors import ErrorKind, PluginError, ProviderError, RequestError
from llms_core.failure import plausible_delay
from llms_core.plugins.host import PluginHost
from llms_core.prices.book import PriceBook
from llms_core.routing.circuit import CircuitBreaker
from llms_core.routing.trace import RequestTrace
from llms_core.secret import Redactor

log = logging.getLogger(__name__)

#: Characters of each member of an error.
_MAX_TEXT = 4000


class AttemptState(Enum):
    """The state of an attempt; all but RUNNING are final."""

    RUNNING = auto()
    SUCCEEDED = auto()
    FAILED = auto()


class AttemptObserver:
    """What attempts report to. `records_successes` is false if no plugin or log would read the record of a success."""

    __slots__ = ("breaker", "host", "prices", "records_successes", "redact")

    def __init__(
        self,
        breaker: CircuitBreaker,
        host: PluginHost,
        redact: Redactor,
        *,
        records_successes: bool,
        prices: PriceBook | None = None,
    ):
        self.breaker = breaker
        self.host = host
        self.prices = prices
        self.redact = redact
        self.records_successes = records_successes


class Attempt:
    """One attempt at a candidate, as a context manager: an exception in the block makes it fail.

    An exception that is not deliberate becomes a ProviderError, since an adapter's bug must not end the request. For a
    committed stream the block ends while the attempt is still running; then the stream calls `succeeded` or `failed`.
    """

    __slots__ = (
        "_clock",
        "_first_token",
        "_observer",
        "_started",
        "_state",
        "_trace",
        "candidate",
        "headers",
        "prepared",
    )

    def __init__(self, observer: AttemptObserver, trace: RequestTrace, candidate: Candidate):
        self.candidate = candidate
        #: What plugins add to the headers of the request.
        self.headers: Mapping[str, str] = {}
        #: The number of the preparation that it uses; None before there is one, or if it needs none.
        self.prepared: int | None = None
        self._observer = observer
        self._trace = trace
        self._clock = asyncio.get_running_loop().time
        self._started = self._clock()
        self._first_token: float | None = None
        self._state = AttemptState.RUNNING

    def __enter__(self) -> Self:
        self._observer.breaker.attempt_started(self.candidate.circuit)
        host = self._observer.host
        if host.observes_starts:
            self.headers = host.attempt_started(self._trace.start_of(self.candidate))
            self._trace.traceparent = self.headers.get("traceparent", "")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and self._state is AttemptState.RUNNING:
            raise self.failed(error) from None

    def committed(self) -> None:
        """The first content has arrived; its time is the attempt's latency."""
        self._first_token = self._clock() - self._started
        self._trace.committed()

    def succeeded(self, usage: Usage | None, *, chunks: int = 0) -> None:
        """The complete answer has been read; `chunks` is the number of a stream's chunks with content."""
        if self._first_token is None:
            # A whole answer arrives at once: its end counts as its first token.
            self.committed()
        self._state = AttemptState.SUCCEEDED
        self._observer.breaker.attempt_succeeded(self.candidate.circuit, self._first_token or 0.0)
        if self._observer.records_successes:
            self._record(None, usage, chunks)

    def failed(
        self, error: BaseException, usage: Usage | None = None, *, chunks: int = 0
    ) -> BaseException:
        """End the attempt with an error, and return the exception to raise.

        `usage` is what the provider had counted of a stream until then.
        """
        self._state = AttemptState.FAILED
        self._trace.upstream_ended()
        breaker = self._observer.breaker
        circuit = self.candidate.circuit
        # A disconnected client shows nothing about the provider, and must not open its circuit.
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            breaker.attempt_abandoned(circuit)
            reason = "The client disconnected, or the server is stopping"
            self._record(ProviderError(ErrorKind.CANCELLED, reason), usage, chunks)
            return error
        # No provider could serve this request, so it does not count against this one.
        if isinstance(error, RequestError):
            breaker.attempt_abandoned(circuit)
            return error
        # KeyboardInterrupt ends the process; SystemExit of an adapter must not.
        if not isinstance(error, Exception | SystemExit):
            breaker.attempt_abandoned(circuit)
            return error
        if not isinstance(error, ProviderError):
            error = self._adapter_error(error)
        # Providers repeat keys in error messages, and adapters quote their answers, which may be long. Records reach
        # plugins and the log.
        error.message = self._observer.redact.truncated(error.message, _MAX_TEXT)
        for name in ("type", "code", "param"):
            text = getattr(error, name)
            if text is not None:
                setattr(error, name, self._observer.redact.truncated(text, _MAX_TEXT))
        # An adapter may have read any number from its provider's answer.
        error.retry_after = plausible_delay(error.retry_after)
        if error.again is None:
            breaker.attempt_failed(circuit, error, self._clock() - self._started)
        else:
            # The provider works, and says how it wants to be asked.
            breaker.attempt_abandoned(circuit)
        self._record(error, usage, chunks)
        return error

    def _adapter_error(self, error: BaseException) -> ProviderError:
        """Log a bug of an adapter and return the error that stands for it."""
        spec = self.candidate.spec
        text = self._observer.redact("".join(traceback.format_exception(error)))
        log.error(
            "the adapter '%s' of %s failed: %s", spec.name, self._observer.host.origin(spec), text
        )
        # Any other exception's text may contain part of the prompt, or a key.
        reason = str(error) if isinstance(error, PluginError) else type(error).__name__
        return ProviderError(ErrorKind.BAD_RESPONSE, f"The adapter '{spec.name}' failed: {reason}")

    def _record(self, error: ProviderError | None, usage: Usage | None, chunks: int = 0) -> None:
        record = self._trace.record(
            self.candidate,
            error,
            duration=self._clock() - self._started,
            first_token=self._first_token,
            usage=usage,
            chunks=chunks,
            prices=self._observer.prices,
        )
        # Clients disconnect all the time; that is not worth a warning.
        if error is not None and error.kind is not ErrorKind.CANCELLED:
            log.warning(
                "%s: %s of '%s' failed: %s (%s)",
                record.request_id,
                record.provider,
                record.model,
                error.message,
                error.kind.value,
            )
        if self._observer.host.observes_attempts:
            self._observer.host.attempt_finished(record)
