"""The record of a request that has ended: what plugins and the log get."""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from llms_core.contracts.body import RequestBody
from llms_core.errors import (
    ERROR_TABLE,
    AllProvidersFailed,
    ErrorKind,
    Party,
    ProviderError,
    RequestError,
)
from llms_core.middleware import Answered
from llms_core.plugins.host import PluginHost
from llms_core.records import Caller, RequestRecord
from llms_core.routing.trace import RequestTrace
from llms_core.server.labels import NO_LABELS, Labels

log = logging.getLogger(__name__)

CLIENT_CLOSED_REQUEST = 499
"""nginx's status for a client that disconnected; it is recorded, never sent."""

#: Refusals that follow from a rule of the operator, not from a mistake in the request.
_STATUS_OF_POLICY = frozenset({403, 429})
_CODE_OF_POLICY = "content_policy_violation"


def request_finished(
    host: PluginHost,
    trace: RequestTrace,
    *,
    body: RequestBody[Any] | None,
    answer: Answered | None,
    caller: Caller | None,
    status: int,
    overhead: float | None,
    stream_error: ErrorKind | None,
    error: BaseException | None = None,
    labels: Labels = NO_LABELS,
    has_begun: bool = False,
) -> RequestRecord:
    """Report a request that has ended, and return its record.

    `body` is None if it could not be decoded, `overhead` is in seconds, `stream_error` is the error that ended a
    stream after it was committed, `error` is why the request was refused or failed, and `has_begun` is whether the
    client got at least the beginning of an answer.
    """
    record = _record(
        trace,
        body,
        answer,
        caller,
        status,
        overhead,
        stream_error,
        error,
        labels,
        has_begun=has_begun,
    )
    if host.observes_starts:
        # Nobody else has a use for it.
        record = msgspec.structs.replace(record, trace_context=trace.context)
    host.request_finished(record)
    if is_logged():
        log.info(
            # The model name comes from the client: quoted and truncated, it cannot forge log lines or flood the log.
            "%s %s model=%.200r provider=%s attempts=%d %.0f ms",
            record.request_id,
            record.status,
            record.model,
            record.provider or "-",
            len(record.attempts),
            record.duration * 1000,
        )
    return record


def is_logged() -> bool:
    """Whether the log shows requests."""
    return log.isEnabledFor(logging.INFO)


def _record(
    trace: RequestTrace,
    body: RequestBody[Any] | None,
    answer: Answered | None,
    caller: Caller | None,
    status: int,
    overhead: float | None,
    stream_error: ErrorKind | None,
    error: BaseException | None,
    labels: Labels,
    *,
    has_begun: bool,
) -> RequestRecord:
    last = trace.attempts[-1] if trace.attempts else None
    # Attempts end in order: the one that answered is the last.
    served = last if answer is not None and answer.candidate is not None else None
    kind = stream_error
    if kind is None and last is not None:
        kind = last.kind
    is_gone = status == CLIENT_CLOSED_REQUEST
    is_cancelled = is_gone or kind is ErrorKind.CANCELLED
    # By position, in the order of the struct: with names, this takes six times as long.
    return RequestRecord(
        trace.id,
        "" if body is None else body.model,
        status,
        body is not None and body.stream,
        trace.duration,
        # The header's value if one was sent: time after that is spent on the client's side.
        trace.overhead if overhead is None else overhead,
        tuple(trace.attempts),
        served.provider if served is not None else None,
        served.upstream_model if served is not None else None,
        served.usage if served is not None else None,
        served.cost if served is not None else None,
        kind,
        caller.name if caller is not None else None,
        trace.arrived,
        trace.dialect,
        trace.operation,
        served.model if served is not None else None,
        _code_of(error),
        _at_fault(status, kind, error, has_failed=is_cancelled or stream_error is not None),
        served.tokens if served is not None else None,
        served.cost_source if served is not None else None,
        trace.first_token,
        has_begun and (is_cancelled or stream_error is not None),
        is_cancelled,
        labels.tags,
        labels.metadata,
        labels.user,
    )


def _at_fault(
    status: int, kind: ErrorKind | None, error: BaseException | None, *, has_failed: bool
) -> Party | None:
    """Return who is at fault for a request that failed; None for any other."""
    if status < 400 and not has_failed:
        return None
    # What ended the request counts, unless that is only that every provider had failed.
    if isinstance(error, RequestError):
        return _at_fault_for_refusal(error)
    if error is not None and not isinstance(error, ProviderError | AllProvidersFailed):
        return "gateway"
    if status == CLIENT_CLOSED_REQUEST or kind is None:
        return "client"
    return ERROR_TABLE[kind].at_fault


def _at_fault_for_refusal(error: RequestError) -> Party:
    if error.status >= 500:
        return "gateway"
    if error.status in _STATUS_OF_POLICY or error.code == _CODE_OF_POLICY:
        return "policy"
    return "client"


def _code_of(error: BaseException | None) -> str | None:
    code = getattr(error, "code", None)
    if isinstance(code, str):
        return code
    if isinstance(error, ProviderError):
        return error.kind.value
    if isinstance(error, AllProvidersFailed):
        return "all_providers_failed"
    return None
