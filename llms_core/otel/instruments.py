"""OpenTelemetry's metrics of requests and attempts. Their attributes come from the configuration alone."""

from __future__ import annotations

from opentelemetry.metrics import Meter

from llms_core.otel import conventions as names
from llms_core.otel.attributes import Attributes
from llms_core.records import AttemptRecord, RequestRecord


class Instruments:
    """The metrics of one process."""

    def __init__(self, meter: Meter):
        self._client_duration = meter.create_histogram(
            names.CLIENT_DURATION,
            unit="s",
            description="Time of an attempt at a provider.",
            explicit_bucket_boundaries_advisory=names.DURATION_BOUNDARIES,
        )
        self._client_first_chunk = meter.create_histogram(
            names.CLIENT_FIRST_CHUNK,
            unit="s",
            description="Time until the first content of a provider's stream.",
            explicit_bucket_boundaries_advisory=names.FIRST_TOKEN_BOUNDARIES,
        )
        self._client_tokens = meter.create_histogram(
            names.CLIENT_TOKENS,
            unit="{token}",
            description="Tokens of an attempt, as the provider counted them.",
            explicit_bucket_boundaries_advisory=names.TOKEN_BOUNDARIES,
        )
        self._server_duration = meter.create_histogram(
            names.SERVER_DURATION,
            unit="s",
            description="Time of a client's request.",
            explicit_bucket_boundaries_advisory=names.DURATION_BOUNDARIES,
        )
        self._server_first_token = meter.create_histogram(
            names.SERVER_FIRST_TOKEN,
            unit="s",
            description="Time until the first token of a client's stream.",
            explicit_bucket_boundaries_advisory=names.FIRST_TOKEN_BOUNDARIES,
        )
        self._server_per_token = meter.create_histogram(
            names.SERVER_PER_TOKEN,
            unit="s",
            description="Average time from one output token of a client's stream to the next.",
            explicit_bucket_boundaries_advisory=names.PER_TOKEN_BOUNDARIES,
        )

    def add_attempt(self, record: AttemptRecord) -> None:
        """Record an attempt that has ended."""
        attributes: Attributes = {
            names.OPERATION: names.operation_name(record.operation),
            names.PROVIDER: names.provider_name(record.provider_type),
            names.REQUEST_MODEL: record.upstream_model,
            names.PROVIDER_ID: record.provider,
        }
        tokens = record.tokens
        if tokens is not None:
            self._client_tokens.record(tokens.input, {**attributes, names.TOKEN_TYPE: "input"})
            self._client_tokens.record(tokens.output, {**attributes, names.TOKEN_TYPE: "output"})
        if record.chunks and record.first_token is not None:
            self._client_first_chunk.record(record.first_token, attributes)
        if record.kind is not None:
            attributes[names.ERROR_TYPE] = record.kind.value
        self._client_duration.record(record.duration, attributes)

    def add_request(self, record: RequestRecord, model: str) -> None:
        """Record a request that has ended; `model` is the configured name."""
        attributes: Attributes = {
            names.OPERATION: names.operation_name(record.operation, record.dialect),
            names.REQUEST_MODEL: model,
        }
        # The conventions require the provider; a request that none answered is the gateway's.
        provider = record.attempts[-1].provider_type if record.attempts else "llms"
        attributes[names.PROVIDER] = names.provider_name(provider)
        if record.stream and record.first_token is not None:
            self._server_first_token.record(record.first_token, attributes)
            tokens = record.tokens
            if tokens is not None and tokens.output > 1:
                rest = record.duration - record.first_token
                self._server_per_token.record(rest / (tokens.output - 1), attributes)
        if record.at_fault is not None:
            attributes[names.ERROR_TYPE] = (
                str(record.status) if record.kind is None else record.kind.value
            )
        self._server_duration.record(record.duration, attributes)
