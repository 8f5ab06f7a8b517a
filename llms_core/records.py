"""What plugins and the log learn about finished attempts and requests. All times are in seconds."""

from __future__ import annotations

import msgspec

from llms_core.contracts.completion import Usage
from llms_core.errors import ErrorKind


class Caller(msgspec.Struct, frozen=True):
    """Who sent a request."""

    #: For logs and limits; never the key itself.
    name: str
    #: Whether the caller may also switch providers on and off.
    is_admin: bool = False


class AttemptRecord(msgspec.Struct, frozen=True, kw_only=True):
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


class RequestRecord(msgspec.Struct, frozen=True, kw_only=True):
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
    #: In USD; None if the price or the usage is unknown.
    cost: float | None = None
    #: The kind of failure; None if the request succeeded.
    kind: ErrorKind | None = None
    #: The caller's name; None for an anonymous request.
    caller: str | None = None
