"""The metrics that this plugin counts itself: their names, labels and buckets.

Labels only have values of the configuration, and of closed sets such as kinds of errors. A request for a model that is
not configured is counted as `unknown`, so that clients cannot create time series.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

UNKNOWN = "unknown"
"""The label `model` of requests for a model that is not configured, or that could not be read."""

NONE = "none"
"""The label `provider` of requests that no provider answered."""

OTHER = "other"
"""The labels of what exceeds the limit of time series."""


class Family(msgspec.Struct, frozen=True):
    """A metric: all of its time series have the same labels."""

    name: str
    help: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...] = ()
    #: The upper bounds of a histogram's buckets, without infinity.
    bounds: tuple[float, ...] = ()


#: Of whole answers; up to the total timeout. The lower ones are those of OpenTelemetry's conventions.
DURATION_BOUNDS = (
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68, 655.36
)  # fmt: skip
#: Local models take minutes to read a long prompt.
FIRST_TOKEN_BOUNDS = (
    0.02,
    0.05,
    0.1,
    0.25,
    0.5,
    0.75,
    1.0,
    2.5,
    5.0,
    7.5,
    10.0,
    20.0,
    40.0,
    80.0,
    160.0,
)
BETWEEN_TOKENS_BOUNDS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.075,
    0.1,
    0.15,
    0.2,
    0.3,
    0.5,
    1.0,
    2.5,
)
OVERHEAD_BOUNDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

_REQUEST = ("operation", "model")
_ATTEMPT = ("operation", "provider", "upstream_model")

REQUESTS = Family(
    "llms_requests_total",
    "Requests of clients that have ended; 499 if the client left.",
    "counter",
    ("dialect", *_REQUEST, "provider", "status"),
)
REQUEST_FAILURES = Family(
    "llms_request_failures_total",
    "Requests that failed, by the kind of error and who is at fault: client, policy, provider or gateway.",
    "counter",
    (*_REQUEST, "kind", "at_fault"),
)
REQUEST_SECONDS = Family(
    "llms_request_duration_seconds",
    "From a request's arrival to the end of its answer, of requests that succeeded.",
    "histogram",
    (*_REQUEST, "stream"),
    DURATION_BOUNDS,
)
OVERHEAD_SECONDS = Family(
    "llms_request_overhead_seconds",
    "The part of a request's time during which the gateway was not waiting for a provider.",
    "histogram",
    ("operation",),
    OVERHEAD_BOUNDS,
)
ATTEMPTS = Family(
    "llms_attempts_total", "Attempts to get an answer from a provider.", "counter", _ATTEMPT
)
ATTEMPT_FAILURES = Family(
    "llms_attempt_failures_total",
    "Attempts that failed, by the kind of error and who is at fault.",
    "counter",
    (*_ATTEMPT, "kind", "at_fault"),
)
ATTEMPT_SECONDS = Family(
    "llms_attempt_duration_seconds",
    "Time that a provider took for a whole answer, of attempts that succeeded.",
    "histogram",
    _ATTEMPT,
    DURATION_BOUNDS,
)
FIRST_TOKEN_SECONDS = Family(
    "llms_first_token_seconds",
    "Time until the first token of a stream.",
    "histogram",
    _ATTEMPT,
    FIRST_TOKEN_BOUNDS,
)
BETWEEN_TOKENS_SECONDS = Family(
    "llms_between_tokens_seconds",
    "Average time from one output token of a stream to the next.",
    "histogram",
    _ATTEMPT,
    BETWEEN_TOKENS_BOUNDS,
)
TOKENS = Family(
    "llms_tokens_total",
    "Tokens as the provider counted them; cached, cache_write, reasoning, audio and image are part of input or output.",
    "counter",
    (*_ATTEMPT, "type"),
)
COST = Family("llms_cost_usd_total", "Cost of answers whose price is known.", "counter", _ATTEMPT)
UNPRICED = Family(
    "llms_unpriced_attempts_total",
    "Answers with tokens whose price is unknown.",
    "counter",
    _ATTEMPT,
)

OWN_FAMILIES: Sequence[Family] = (
    REQUESTS,
    REQUEST_FAILURES,
    REQUEST_SECONDS,
    OVERHEAD_SECONDS,
    ATTEMPTS,
    ATTEMPT_FAILURES,
    ATTEMPT_SECONDS,
    FIRST_TOKEN_SECONDS,
    BETWEEN_TOKENS_SECONDS,
    TOKENS,
    COST,
    UNPRICED,
)
"""Everything that is counted for requests."""
