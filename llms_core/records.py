"""What is told of an attempt and of a request when it is over."""

from __future__ import annotations

import msgspec

from llms_core.contracts.completion import Usage
from llms_core.errors import ErrorKind


class Caller(msgspec.Struct, frozen=True):
    """Who sent a request: a name for logs and limits, never a key."""

    name: str


class AttemptRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt at one candidate. Times are in seconds; `kind` is None where it succeeded."""

    request_id: str
    provider: str
    model: str
    upstream_model: str
    kind: ErrorKind | None
    status: int | None
    message: str
    duration: float
    first_token: float | None = None
    usage: Usage | None = None


class RequestRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One request. Times in seconds, `cost` in USD (None: unknown), `status` as answered (499: the client left)."""

    request_id: str
    model: str
    status: int
    stream: bool
    duration: float
    overhead: float
    attempts: tuple[AttemptRecord, ...]
    provider: str | None = None
    upstream_model: str | None = None
    usage: Usage | None = None
    cost: float | None = None
    kind: ErrorKind | None = None
    caller: str | None = None
