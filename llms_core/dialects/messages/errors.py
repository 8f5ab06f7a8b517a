"""Anthropic's error bodies: https://platform.claude.com/docs/en/api/errors."""

from __future__ import annotations

import msgspec

from llms_core.dialects import ErrorResponse, FailedAttempt

OVERLOADED = 529
"""Anthropic's status for an overload; SDKs retry it."""

THREADS_UNSUPPORTED = "thread_unsupported_request"
"""The code of the error for message threads."""

_TYPE_OF_STATUS = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    OVERLOADED: "overloaded_error",
}


class ThreadDetails(msgspec.Struct):
    """Which members of the request a thread cannot have; the SDKs look for it."""

    error_code: str
    unsupported: list[str]


class MessagesErrorDetail(msgspec.Struct, omit_defaults=True):
    """What went wrong. `details` are only there if message threads are refused."""

    type: str
    message: str
    details: ThreadDetails | None = None


class MessagesError(msgspec.Struct, omit_defaults=True, tag_field="type", tag="error"):
    """The body of every response that is not 2xx. `attempts` is there if all providers failed."""

    error: MessagesErrorDetail
    attempts: tuple[FailedAttempt, ...] = ()


def status(error: ErrorResponse) -> int:
    """Return the HTTP status: 529 if that is why all providers failed, and 503 is the server's own overload."""
    if (
        error.status == 502
        and error.attempts
        and all(each.kind == "overloaded" for each in error.attempts)
    ):
        return OVERLOADED
    if error.code == "overloaded":
        return OVERLOADED
    return error.status


def encode(error: ErrorResponse) -> bytes:
    """Return the error as Anthropic's JSON."""
    details = None
    if error.code == THREADS_UNSUPPORTED:
        details = ThreadDetails(THREADS_UNSUPPORTED, ["thread"])
    return msgspec.json.encode(
        MessagesError(MessagesErrorDetail(_type_of(error), error.message, details), error.attempts)
    )


def _type_of(error: ErrorResponse) -> str:
    by_status = _TYPE_OF_STATUS.get(status(error))
    if by_status is not None:
        return by_status
    if error.status < 500 and error.status != 424:
        return "invalid_request_error"
    return "api_error"
