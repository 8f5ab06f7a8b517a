"""From every failure to the error that the client gets (SR-061 … SR-068), whatever its dialect."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import msgspec

from llms_core.dialects import Dialect, ErrorResponse, FailedAttempt, openai_error
from llms_core.errors import (
    ERROR_TABLE,
    AllProvidersFailed,
    ErrorKind,
    LlmsError,
    ProviderError,
    RequestError,
)
from llms_core.failure import plausible_delay
from llms_core.operations.adapter_results import expect
from llms_core.records import AttemptRecord
from llms_core.secret import redact

log = logging.getLogger(__name__)

_CODES_OF_HTTP_ERRORS = {
    404: "not_found",
    405: "method_not_allowed",
    413: "request_too_large",
    503: "overloaded",
}

# Characters of a provider's message that the client gets to see for each attempt.
_MAX_MESSAGE = 500


def describe(
    error: BaseException, attempts: Sequence[AttemptRecord] = (), *, explain: bool = False
) -> ErrorResponse:
    """Return the response to a failure. An unexpected exception is not described to the client.

    `attempts` are those that were made; `explain` adds them to the message if all providers failed.
    """
    match error:
        case RequestError():
            response = ErrorResponse(
                status=error.status,
                message=error.message,
                type=error.type,
                code=error.code,
                param=error.param,
                bare=error.bare,
                retry_after=error.retry_after,
                should_retry=_is_temporary(error.status),
            )
        case AllProvidersFailed():
            response = _all_failed(error, attempts, explain=explain)
        case ProviderError():
            response = _provider_error(error)
        case LlmsError():
            response = ErrorResponse(
                status=500, message=str(error), type="api_error", code="internal_error"
            )
        case _:
            # The exception's text may contain anything: a local path, part of a prompt.
            message = "The gateway failed; its log has the details"
            response = ErrorResponse(
                status=500, message=message, type="api_error", code="internal_error"
            )
    return _redacted(response)


def describe_http_error(status: int, message: str) -> ErrorResponse:
    """Return the response to a request that no handler accepts: an unknown path, a wrong method, …"""
    return ErrorResponse(
        status=status,
        message=message,
        type="invalid_request_error" if status < 500 else "api_error",
        code=_CODES_OF_HTTP_ERRORS.get(status),
        should_retry=_is_temporary(status),
    )


def describe_in_stream(error: BaseException) -> ErrorResponse:
    """Return the error that ends a stream which has begun (SR-058)."""
    if not isinstance(error, ProviderError):
        return describe(error)
    response = ErrorResponse(
        status=ERROR_TABLE[error.kind].status,
        message=error.message,
        type=error.type or "api_error",
        code=error.code or error.kind.value,
    )
    return _redacted(response)


def retry_headers(response: ErrorResponse) -> dict[str, str]:
    """Return `x-should-retry`, which OpenAI's SDKs obey, and `Retry-After` in whole seconds, rounded up."""
    headers = {"x-should-retry": "true" if response.should_retry else "false"}
    # A plugin may have raised the error, with any number.
    seconds = plausible_delay(response.retry_after)
    if seconds is not None:
        headers["retry-after"] = str(math.ceil(seconds))
    return headers


def _all_failed(
    error: AllProvidersFailed, attempts: Sequence[AttemptRecord], *, explain: bool
) -> ErrorResponse:
    errors = error.errors
    if errors and all(ERROR_TABLE[each.kind].at_fault == "client" for each in errors):
        # The request itself is at fault: the first provider's reason shows the client what to change.
        return _provider_error(errors[0])
    failed = tuple(_failed_attempt(each) for each in attempts)
    message = str(error)
    if explain and failed:
        message += f": {'; '.join(_explained(each) for each in failed)}"
    return ErrorResponse(
        status=_common_status(errors),
        message=message,
        type="api_error",
        code="provider_error",
        bare=True,
        # The client can try again once any of the providers may answer.
        retry_after=min((each.retry_after for each in errors if each.retry_after), default=None),
        should_retry=not all(_repeats(each.kind) for each in errors),
        attempts=failed,
    )


def _failed_attempt(record: AttemptRecord) -> FailedAttempt:
    return FailedAttempt(
        provider=record.provider,
        model=record.model,
        kind=record.kind or "",
        status=record.status,
        # Redacted before it is cut: a part of a key would not be recognized.
        message=redact(record.message)[:_MAX_MESSAGE],
    )


def _explained(attempt: FailedAttempt) -> str:
    status = f" {attempt.status}" if attempt.status else ""
    return f"{attempt.provider} ({attempt.kind}{status}): {attempt.message}"


def _common_status(errors: Sequence[ProviderError]) -> int:
    """424 if every failure is permanent, 429 or 504 if that is what every provider answered, otherwise 502."""
    if not errors:
        return 502
    # SDKs retry a 5xx and a 429, here in vain.
    if all(ERROR_TABLE[each.kind].permanent for each in errors):
        return 424
    # Some providers also use 429 for an exhausted quota.
    if all(each.kind is ErrorKind.RATE_LIMIT or each.status == 429 for each in errors):
        return 429
    if all(each.kind is ErrorKind.TIMEOUT for each in errors):
        return 504
    return 502


def _provider_error(error: ProviderError) -> ErrorResponse:
    """Pass a provider's own error on."""
    row = ERROR_TABLE[error.kind]
    default_type = "invalid_request_error" if row.status == 400 else "api_error"
    return ErrorResponse(
        status=row.status,
        message=error.message,
        type=error.type or default_type,
        code=error.code or row.code,
        param=error.param,
        retry_after=error.retry_after,
        should_retry=not _repeats(error.kind),
    )


def _is_temporary(status: int) -> bool:
    """Whether a request that was answered with this status may succeed later."""
    return status in (408, 409, 429) or status >= 502


def _repeats(kind: ErrorKind) -> bool:
    """Whether a provider would answer the same request in the same way again."""
    row = ERROR_TABLE[kind]
    return row.permanent or row.at_fault in ("client", "policy")


def _redacted(response: ErrorResponse) -> ErrorResponse:
    """Remove known secrets: a provider may repeat its key in any member (SR-066)."""
    return msgspec.structs.replace(
        response,
        message=redact(response.message),
        type=redact(response.type),
        code=response.code and redact(response.code),
        param=response.param and redact(response.param),
    )


def encode(response: ErrorResponse, dialect: Dialect | None) -> bytes:
    """Return the body of an error in a dialect, or as OpenAI's JSON for a path that belongs to none."""
    if dialect is None:
        return openai_error.encode(response)
    if response.param and dialect.names:
        response = msgspec.structs.replace(response, param=dialect.client_name(response.param))
    try:
        return expect(bytes, dialect.encode_error(response), "encode_error")
    except Exception:
        # A broken dialect must not hide the error that it was asked to report.
        log.exception("the dialect '%s' failed to encode an error", dialect.name)
        return openai_error.encode(response)


def status_of(response: ErrorResponse, dialect: Dialect | None) -> int:
    """Return the HTTP status of an error in a dialect."""
    if dialect is None or dialect.error_status is None:
        return response.status
    try:
        return expect(int, dialect.error_status(response), "error_status")
    except Exception:
        log.exception("the dialect '%s' failed to give the status of an error", dialect.name)
        return response.status
