"""From every failure to the error that the client gets (SR-061 … SR-068), whatever its dialect."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from llms_core.dialects import ErrorResponse
from llms_core.errors import ERROR_TABLE, AllProvidersFailed, ErrorKind, LlmsError, ProviderError, RequestError
from llms_core.failure import plausible_delay
from llms_core.secret import redact

_CODES_OF_HTTP_ERRORS = {
    404: "not_found",
    405: "method_not_allowed",
    413: "request_too_large",
    503: "overloaded",
}


def describe(error: BaseException) -> ErrorResponse:
    """Return the response to a failure. An unexpected exception is not described to the client."""
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
            )
        case AllProvidersFailed():
            response = _all_failed(error)
        case ProviderError():
            response = _provider_error(error)
        case LlmsError():
            response = ErrorResponse(status=500, message=str(error), type="api_error", code="internal_error")
        case _:
            # The exception's text may contain anything: a local path, part of a prompt.
            message = "The gateway failed; its log has the details"
            response = ErrorResponse(status=500, message=message, type="api_error", code="internal_error")
    return _redacted(response)


def describe_http_error(status: int, message: str) -> ErrorResponse:
    """Return the response to a request that no handler accepts: an unknown path, a wrong method, …"""
    return ErrorResponse(
        status=status,
        message=message,
        type="invalid_request_error" if status < 500 else "api_error",
        code=_CODES_OF_HTTP_ERRORS.get(status),
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


def retry_after_header(response: ErrorResponse) -> str | None:
    """`Retry-After` in whole seconds, rounded up. A plugin may have raised the error, with any number."""
    seconds = plausible_delay(response.retry_after)
    return None if seconds is None else str(math.ceil(seconds))


def _all_failed(error: AllProvidersFailed) -> ErrorResponse:
    errors = error.errors
    if errors and all(ERROR_TABLE[each.kind].at_fault == "client" for each in errors):
        # The request itself is at fault: the first provider's reason shows the client what to change.
        return _provider_error(errors[0])
    return ErrorResponse(
        status=_common_status(errors),
        message=str(error),
        type="api_error",
        code="provider_error",
        bare=True,
        # The client can try again once any of the providers may answer.
        retry_after=min((each.retry_after for each in errors if each.retry_after), default=None),
    )


def _common_status(errors: Sequence[ProviderError]) -> int:
    """429 or 504 if that is what every provider answered, otherwise 502."""
    if not errors:
        return 502
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
    )


def _redacted(response: ErrorResponse) -> ErrorResponse:
    """Remove known secrets: a provider may repeat its key in any member (SR-066)."""
    return msgspec.structs.replace(
        response,
        message=redact(response.message),
        type=redact(response.type),
        code=response.code and redact(response.code),
        param=response.param and redact(response.param),
    )
