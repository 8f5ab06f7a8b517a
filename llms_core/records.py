"""What plugins and the log learn about finished attempts and requests. All durations are in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from llms_core.contracts.completion import Usage
from llms_core.contracts.token_counts import Tokens
from llms_core.errors import ErrorKind, Party

CostSource = Literal["provider", "configuration", "genai-prices"]
"""Where a cost comes from: the provider's own answer, llms.json, or the price list of the package genai-prices."""


def id_at(seconds: float) -> str:
    """Return how the ids of requests begin that arrive at a time, in Unix seconds: the time in milliseconds.

    So the ledger appends to its indexes: with random ids, writing takes three times as long from 100,000 rows on.
    """
    return f"{int(seconds * 1000):012x}"


class Caller(msgspec.Struct, frozen=True):
    """Who sent a request."""

    #: For logs and limits; never the key itself.
    name: str
    #: Whether the caller may also switch providers on and off.
    is_admin: bool = False


class AttemptStart(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that begins; its members are those of the AttemptRecord that follows."""

    request_id: str
    provider: str
    provider_type: str
    base_url: str
    model: str
    upstream_model: str
    operation: str
    started: float
    #: When the request arrived, in Unix seconds.
    request_started: float
    #: The client's `traceparent`, `tracestate` and `baggage`, as far as there are any.
    trace_context: Mapping[str, str]


class AttemptRecord(msgspec.Struct, frozen=True):
    """One attempt to get an answer from one candidate."""

    #: The request that the attempt belongs to; also the response header `x-request-id`.
    request_id: str
    #: The provider's id in llms.json.
    provider: str
    #: The model's name for clients; that of the fallback if the attempt was made for a fallback.
    model: str
    #: The provider's own id of the model.
    upstream_model: str
    #: The kind of failure; None if the attempt succeeded.
    kind: ErrorKind | None
    #: The HTTP status of an error answer; None if the attempt succeeded, or failed without an answer.
    status: int | None
    #: The error message; empty if the attempt succeeded.
    message: str
    duration: float
    #: Time until the first token of a stream, or until the whole answer; None if the attempt failed before that.
    first_token: float | None = None
    #: Token counts, if the provider reported any.
    usage: Usage | None = None
    #: When the attempt began, in Unix seconds.
    started: float = 0.0
    #: The name of the operation, such as `chat`.
    operation: str = ""
    #: The provider's type in llms.json, such as `openai`.
    provider_type: str = ""
    #: The URL of the provider's API, without user and password; empty if its adapter makes the URL itself.
    base_url: str = ""
    #: Who is at fault; None if the attempt succeeded.
    at_fault: Party | None = None
    #: The counts of `usage`.
    tokens: Tokens | None = None
    #: In USD; None if the price or the usage is unknown.
    cost: float | None = None
    cost_source: CostSource | None = None
    #: What the client chose as `service_tier`, or what the provider reported as that.
    service_tier: str | None = None
    #: Pieces of a stream that had content; 0 for a whole answer.
    chunks: int = 0
    #: From the first token of a stream to its end; None for a whole answer, or if there was no first token.
    stream_duration: float | None = None


class RequestRecord(msgspec.Struct, frozen=True):
    """One request of a client, after its answer has been sent or abandoned."""

    #: Also the response header `x-request-id`.
    request_id: str
    #: The model that the client asked for; empty if the request could not be read.
    model: str
    #: The HTTP status of the answer; 499 if the client disconnected before it was complete.
    status: int
    #: Whether the client asked for a stream.
    stream: bool
    #: From the request's arrival to the end of the answer.
    duration: float
    #: The part of `duration` during which the gateway was not waiting for a provider.
    overhead: float
    #: In the order in which they were made.
    attempts: tuple[AttemptRecord, ...]
    #: The provider that answered; None if all attempts failed.
    provider: str | None = None
    #: The id of the model at the provider that answered.
    upstream_model: str | None = None
    #: Token counts of the answer, if the provider reported any.
    usage: Usage | None = None
    #: Of the answer, in USD; None if the price or the usage is unknown.
    cost: float | None = None
    #: The kind of failure; None if the request succeeded, or was refused before any attempt.
    kind: ErrorKind | None = None
    #: The caller's name; None for an anonymous request.
    caller: str | None = None
    #: When the request arrived, in Unix seconds.
    started: float = 0.0
    #: The name of the format in which the client wrote the request, such as `chat_completions`.
    dialect: str = ""
    #: The name of the operation, such as `chat`.
    operation: str = ""
    #: The name, for clients, of the model that answered: that of a fallback if one did.
    served_model: str | None = None
    #: The `code` of the error that the client got; None if it got none, or one without a code.
    error_code: str | None = None
    #: Who is at fault; None if the request succeeded.
    at_fault: Party | None = None
    #: The counts of `usage`.
    tokens: Tokens | None = None
    cost_source: CostSource | None = None
    #: From the request's arrival to the first token of a stream, or to the whole answer of the provider.
    first_token: float | None = None
    #: Whether the client got a part of an answer and not its end.
    truncated: bool = False
    #: Whether the client disconnected before the end of the answer, or the server stopped.
    cancelled: bool = False
    #: What the client wrote into the header `x-llms-tag`; see `llms_core.server.labels` for the limits.
    tags: tuple[str, ...] = ()
    #: The texts in the request's `metadata`, within limits.
    metadata: Mapping[str, str] = {}
    #: The request's `user`, within limits; None if it has none.
    user: str | None = None
    #: The client's `traceparent`, `tracestate` and `baggage`; only if a plugin implements `llms_attempt_started`.
    trace_context: Mapping[str, str] = {}
