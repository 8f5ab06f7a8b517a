"""Makes a span for each request (SERVER) and one for each attempt (CLIENT), and metrics of both.

Texts of requests and answers are only recorded if the settings ask for it, and messages of providers, which may quote
them, never.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode

from llms_core import __version__
from llms_core.otel import conventions, sdk
from llms_core.otel.attributes import attempt_attributes, request_attributes, start_attributes
from llms_core.otel.content import Content
from llms_core.otel.instruments import Instruments
from llms_core.records import AttemptRecord, AttemptStart, RequestRecord
from llms_core.status import GatewayStatus

#: What providers may learn; a client's baggage is not for them.
_FOR_PROVIDERS = ("traceparent", "tracestate")
#: Seconds that a stopping server waits until everything has been sent.
_STOP_TIMEOUT = 5.0
_UNKNOWN = "unknown"


class _Running:
    """The spans of one request."""

    __slots__ = ("attempt", "request")

    def __init__(self, request: Span):
        self.request = request
        #: That of the attempt that is running.
        self.attempt: Span | None = None


class Telemetry:
    """The traces and metrics of one server process. Its methods are called on the event loop, and never wait."""

    def __init__(self, gateway: GatewayStatus, *, propagates: bool):
        self._gateway = gateway
        self._propagates = propagates
        about = sdk.resource()
        self._tracers = sdk.tracer_provider(about)
        self._meters = sdk.meter_provider(about)
        self._tracer = self._tracers.get_tracer("llms_core", __version__)
        self._instruments = Instruments(self._meters.get_meter("llms_core", __version__))
        #: By the request's id. Every request ends, so it is as large as there are requests at a time.
        self._requests: dict[str, _Running] = {}

    def attempt_started(self, start: AttemptStart) -> Mapping[str, str] | None:
        """Begin the span of an attempt; return the headers by which the provider's spans belong to it."""
        running = self._requests.get(start.request_id)
        if running is None:
            running = _Running(
                self._begin(start.request_started, start.operation, start.trace_context)
            )
            self._requests[start.request_id] = running
        context = trace.set_span_in_context(running.request)
        name = f"{conventions.operation_name(start.operation)} {start.upstream_model}"
        running.attempt = self._tracer.start_span(
            name,
            context,
            SpanKind.CLIENT,
            start_attributes(start),
            start_time=_nanoseconds(start.started),
        )
        if not self._propagates:
            return None
        headers: dict[str, str] = {}
        propagate.inject(headers, trace.set_span_in_context(running.attempt))
        return {name: headers[name] for name in _FOR_PROVIDERS if name in headers}

    def attempt_finished(self, record: AttemptRecord) -> None:
        """End the span of an attempt."""
        self._instruments.add_attempt(record)
        running = self._requests.get(record.request_id)
        if running is None or running.attempt is None:
            return
        span = running.attempt
        running.attempt = None
        span.set_attributes(attempt_attributes(record))
        if record.kind is not None:
            span.set_status(StatusCode.ERROR)
        span.end(_nanoseconds(record.started + record.duration))

    def request_finished(self, record: RequestRecord, content: Content | None = None) -> None:
        """End the span of a request; begin it first if there was no attempt. `content` are its texts."""
        model = self._gateway.model_named(record.model) or _UNKNOWN
        self._instruments.add_request(record, model)
        running = self._requests.pop(record.request_id, None)
        if running is None:
            running = _Running(self._begin(record.started, record.operation, record.trace_context))
        end = _nanoseconds(record.started + record.duration)
        if running.attempt is not None:
            # It ended before the provider was asked.
            running.attempt.end(end)
        span = running.request
        span.update_name(f"{conventions.operation_name(record.operation, record.dialect)} {model}")
        span.set_attributes(request_attributes(record))
        if content is not None and span.is_recording():
            if asked := content.input_messages():
                span.set_attribute(conventions.INPUT_MESSAGES, asked)
            if answer := content.output_messages():
                span.set_attribute(conventions.OUTPUT_MESSAGES, answer)
        # OpenTelemetry's HTTP conventions: a server span is not an error if the client is at fault.
        if record.at_fault in ("provider", "gateway"):
            span.set_status(StatusCode.ERROR)
        span.end(end)

    async def close(self) -> None:
        """Send what is left, for a few seconds at most."""
        stopping = threading.Thread(target=self._shut_down, name="llms-otel", daemon=True)
        stopping.start()
        await asyncio.to_thread(stopping.join, _STOP_TIMEOUT)

    def _shut_down(self) -> None:
        self._tracers.shutdown()
        self._meters.shutdown()

    def _begin(self, started: float, operation: str, trace_context: Mapping[str, str]) -> Span:
        # Without a context of its own, the current one would be used, whatever that is.
        parent: Any = propagate.extract(trace_context, Context()) if trace_context else Context()
        return self._tracer.start_span(
            operation or "request", parent, SpanKind.SERVER, start_time=_nanoseconds(started)
        )


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
