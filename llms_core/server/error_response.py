"""Every failure -> OpenAI's error JSON (SR-061 ... SR-068)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from llms_core.errors import AllProvidersFailed, ErrorKind, LlmsError, ProviderError, RequestError
from llms_core.secret import redact

_REQUEST_FAULTS = frozenset({ErrorKind.INVALID_REQUEST, ErrorKind.CONTEXT_LENGTH})
_STATUS_OF_STOP = {
    ErrorKind.AUTH: 502,
    ErrorKind.PERMISSION: 502,
    ErrorKind.QUOTA: 429,
    ErrorKind.RATE_LIMIT: 429,
    ErrorKind.TIMEOUT: 504,
    ErrorKind.CONTEXT_LENGTH: 400,
    ErrorKind.CONTENT_POLICY: 400,
    ErrorKind.INVALID_REQUEST: 400,
}


class Problem(msgspec.Struct):
    """An error answer: its status, its JSON body, and the seconds after which to try again."""

    status: int
    body: bytes
    retry_after: float | None = None

    @property
    def retry_after_header(self) -> str | None:
        """`Retry-After` in whole seconds, rounded up."""
        return None if self.retry_after is None else str(math.ceil(self.retry_after))


def problem(error: BaseException) -> Problem:
    """The answer to a failure. What is no deliberate failure says nothing of itself but that it happened."""
    match error:
        case RequestError():
            body = _body(error.message, error.type, error.code, error.param, bare=error.bare)
            return Problem(error.status, body, error.retry_after)
        case AllProvidersFailed():
            return _all_failed(error)
        case ProviderError():
            return _provider(error)
        case LlmsError():
            return Problem(500, _body(str(error), "api_error", "internal_error"))
    return Problem(500, _body("The gateway failed; its log says how", "api_error", "internal_error"))


def http_problem(status: int, message: str) -> Problem:
    """The answer to what never became a request of ours: an unknown path, a wrong method."""
    codes = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large", 503: "overloaded"}
    type_ = "invalid_request_error" if status < 500 else "api_error"
    return Problem(status, _body(message, type_, codes.get(status)))


def event(error: ProviderError) -> bytes:
    """The error as the data of the last event of a stream that broke (SR-058)."""
    return _body(error.message, error.type or "api_error", error.code or error.kind.value)


def _all_failed(error: AllProvidersFailed) -> Problem:
    errors = error.errors
    if errors and all(each.kind in _REQUEST_FAULTS for each in errors):
        return _provider(errors[0])
    body = _body(str(error), "api_error", "provider_error", bare=True)
    return Problem(_status(errors), body, min((each.retry_after for each in errors if each.retry_after), default=None))


def _status(errors: Sequence[ProviderError]) -> int:
    if errors and all(each.kind is ErrorKind.RATE_LIMIT or each.status == 429 for each in errors):
        return 429
    return 504 if errors and all(each.kind is ErrorKind.TIMEOUT for each in errors) else 502


def _provider(error: ProviderError) -> Problem:
    """A provider's own word on the request."""
    status = _STATUS_OF_STOP.get(error.kind, 502)
    type_ = "invalid_request_error" if status == 400 else "api_error"
    code = error.code or ("context_length_exceeded" if error.kind is ErrorKind.CONTEXT_LENGTH else None)
    if error.kind is ErrorKind.CONTENT_POLICY and code is None:
        code = "content_policy_violation"
    return Problem(status, _body(error.message, error.type or type_, code, error.param), error.retry_after)


def _body(message: str, type_: str, code: str | None, param: str | None = None, *, bare: bool = False) -> bytes:
    """The error object as JSON. A provider may repeat its key in any member (SR-066)."""
    fields = {"message": message, "type": type_, "code": code}
    if not bare:
        fields["param"] = param
    return msgspec.json.encode({"error": {name: text and redact(text) for name, text in fields.items()}})
