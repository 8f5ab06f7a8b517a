"""Bedrock's errors: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#Converse-errors.

The exception's name is in a header or in the body. It is often too general, and the message is more specific: a
ValidationException can mean anything from a wrong type to a prompt that is too long.
"""

from __future__ import annotations

import re

import msgspec

from llms_core import ErrorKind, ProviderError
from llms_core.failure import classify
from llms_core.provider import Headers

#: What decoding a body can raise: a body may be malformed, not UTF-8, or nested too deeply.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_EXCEPTION_HEADER = "x-amzn-errortype"

# By the exception's name in lower case: streams begin the names with a lower-case letter.
_KINDS_BY_EXCEPTION = {
    "accessdeniedexception": ErrorKind.PERMISSION,
    "expiredtokenexception": ErrorKind.AUTH,
    "incompletesignatureexception": ErrorKind.AUTH,
    "invalidsignatureexception": ErrorKind.AUTH,
    "missingauthenticationtokenexception": ErrorKind.AUTH,
    "unrecognizedclientexception": ErrorKind.AUTH,
    "servicequotaexceededexception": ErrorKind.QUOTA,
    "throttlingexception": ErrorKind.RATE_LIMIT,
    "modeltimeoutexception": ErrorKind.TIMEOUT,
    "resourcenotfoundexception": ErrorKind.MODEL_NOT_FOUND,
    "internalserverexception": ErrorKind.OVERLOADED,
    "modelerrorexception": ErrorKind.OVERLOADED,
    "modelnotreadyexception": ErrorKind.OVERLOADED,
    "modelstreamerrorexception": ErrorKind.OVERLOADED,
    "serviceunavailableexception": ErrorKind.OVERLOADED,
}

# Searched in the lower-case message; the first match takes precedence over the exception's name.
_KINDS_BY_MESSAGE = (
    (
        ErrorKind.CONTEXT_LENGTH,
        re.compile(
            r"(input|prompt) is too long|too many input tokens|exceeds? the (maximum|model'?s).{0,40}tokens?"
        ),
    ),
    (
        ErrorKind.CONTENT_POLICY,
        re.compile(r"content filtering policy|content filters?\b"),
    ),
    (
        ErrorKind.MODEL_NOT_FOUND,
        re.compile(
            r"model identifier is invalid|on-demand throughput isn.t supported|could not resolve the foundation model"
            r"|end of its life|doesn.t support counting tokens"
        ),
    ),
    (
        # Sent as AccessDeniedException too, whose usual meaning is a missing permission for the model.
        ErrorKind.AUTH,
        re.compile(
            r"security token included in the request|request signature|signature expired|api key is valid"
        ),
    ),
    (
        # Sent as ThrottlingException, but it takes until tomorrow to pass.
        ErrorKind.QUOTA,
        re.compile(r"tokens per day"),
    ),
)


class _ErrorBody(msgspec.Struct):
    type: str = msgspec.field(default="", name="__type")


_decode_error = msgspec.json.Decoder(_ErrorBody).decode


def to_error(status: int, headers: Headers, body: bytes) -> ProviderError:
    """Translate an error response. Header names are in lower case."""
    error = classify(status, headers, body)
    exception = _exception_name(headers, body)
    if exception:
        error.type = exception
        error.kind = _KINDS_BY_EXCEPTION.get(exception.lower(), error.kind)
    message = error.message.lower()
    for kind, pattern in _KINDS_BY_MESSAGE:
        if pattern.search(message):
            error.kind = kind
            break
    return error


def to_stream_error(exception: str, data: bytes) -> ProviderError:
    """Translate an exception that ends a stream, where there is no HTTP status for it."""
    is_clients_fault = exception.lower() == "validationexception"
    status = 400 if is_clients_fault else 500
    return to_error(status, {_EXCEPTION_HEADER: exception}, data)


def _exception_name(headers: Headers, body: bytes) -> str:
    """Return the exception's name from the header or the body; "" if neither has it."""
    name = headers.get(_EXCEPTION_HEADER) or _exception_in_body(body)
    # The header's value may be "ValidationException:http://…", the body's "com.amazon.coral#ValidationException".
    name = name.partition(":")[0]
    return name.rpartition("#")[2]


def _exception_in_body(body: bytes) -> str:
    try:
        return _decode_error(body).type
    except UNREADABLE:
        return ""
