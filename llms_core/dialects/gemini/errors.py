"""Google's error bodies: https://cloud.google.com/apis/design/errors."""

from __future__ import annotations

from typing import Any

import msgspec

from llms_core.dialects import ErrorResponse, FailedAttempt

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    414: "INVALID_ARGUMENT",
    424: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

_TYPE = "type.googleapis.com/google.rpc."
_DOMAIN = "llms"


class GeminiErrorDetail(msgspec.Struct, omit_defaults=True):
    """What went wrong. `details` are objects of google.rpc: the reason, the invalid member, when to try again."""

    code: int
    message: str
    status: str
    details: list[dict[str, Any]] = []


class GeminiError(msgspec.Struct, omit_defaults=True):
    """The body of every response that is not 2xx. `attempts` is there if all providers failed."""

    error: GeminiErrorDetail
    attempts: tuple[FailedAttempt, ...] = ()


def encode(error: ErrorResponse) -> bytes:
    """Return the error as Google's JSON."""
    status = _STATUSES.get(error.status) or (
        "INVALID_ARGUMENT" if error.status < 500 else "INTERNAL"
    )
    detail = GeminiErrorDetail(error.status, error.message, status, _details(error))
    return msgspec.json.encode(GeminiError(detail, error.attempts))


def _details(error: ErrorResponse) -> list[dict[str, Any]]:
    details: list[dict[str, Any]] = []
    if error.code:
        details.append(
            {"@type": f"{_TYPE}ErrorInfo", "reason": error.code.upper(), "domain": _DOMAIN}
        )
    if error.param:
        violation = {"field": error.param, "description": error.message}
        details.append({"@type": f"{_TYPE}BadRequest", "fieldViolations": [violation]})
    if error.retry_after is not None:
        details.append({"@type": f"{_TYPE}RetryInfo", "retryDelay": f"{error.retry_after:.3f}s"})
    return details
