"""Classifies a provider's error response: status, headers and body -> ProviderError."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from llms_core.contracts.error_body import read_error
from llms_core.contracts.json import UNREADABLE
from llms_core.errors import ErrorKind, ProviderError
from llms_core.secret import redact

_KIND_OF_STATUS = {
    400: ErrorKind.INVALID_REQUEST,
    401: ErrorKind.AUTH,
    402: ErrorKind.QUOTA,
    403: ErrorKind.PERMISSION,
    404: ErrorKind.MODEL_NOT_FOUND,
    405: ErrorKind.MODEL_NOT_FOUND,  # as 404: the address is not that of an API
    407: ErrorKind.NETWORK,  # of a proxy, which wants other credentials
    408: ErrorKind.TIMEOUT,
    409: ErrorKind.OVERLOADED,
    410: ErrorKind.MODEL_NOT_FOUND,  # NVIDIA: the model is not served any more
    413: ErrorKind.INVALID_REQUEST,
    415: ErrorKind.INVALID_REQUEST,
    422: ErrorKind.INVALID_REQUEST,
    429: ErrorKind.RATE_LIMIT,
    498: ErrorKind.OVERLOADED,  # Groq: flex tier capacity exceeded
    504: ErrorKind.TIMEOUT,
    522: ErrorKind.TIMEOUT,  # Cloudflare: connection timed out
    524: ErrorKind.TIMEOUT,  # Cloudflare: the origin did not answer in time
}


class _Pattern(msgspec.Struct, frozen=True):
    """A kind of error, and the code, type or message that it is recognized by, in lower case."""

    kind: ErrorKind
    regex: re.Pattern[str]
    #: also applies to 5xx: llama.cpp answers 500 if a prompt is too long
    on_server_errors: bool = False


# Searched in this order: the error's code and type first, then its message.
_CODES = (
    _Pattern(
        ErrorKind.CONTEXT_LENGTH,
        re.compile(
            r"context_length|context_window|max_context|string_above_max_length|too_many_prompt_tokens"
        ),
    ),
    _Pattern(
        ErrorKind.CONTENT_POLICY,
        re.compile(
            r"content_?(policy|filter)|moderation|data_inspection|responsible_?ai|safety|sensitive"
        ),
    ),
    _Pattern(
        ErrorKind.QUOTA,
        re.compile(r"insufficient_(quota|balance|credit)|billing|quota_exceeded|payment"),
    ),
    _Pattern(
        ErrorKind.AUTH,
        re.compile(r"invalid_api_key|api_key_invalid|authentication|unauthenticated"),
    ),
    _Pattern(
        ErrorKind.MODEL_NOT_FOUND,
        re.compile(r"model_not_(found|exist)|invalid_model|model_decommissioned"),
    ),
)
_MESSAGES = (
    _Pattern(
        ErrorKind.CONTEXT_LENGTH,
        re.compile(
            r"context[ _](length|window|size)|maximum context|prompt is too long|too many (input |prompt )?tokens"
            r"|input token count .{0,40}exceeds|exceeds? the (available|maximum|model'?s?) .{0,20}(context|token)"
        ),
        on_server_errors=True,
    ),
    _Pattern(
        ErrorKind.INVALID_REQUEST,
        re.compile(r"no endpoints found that support|(image|audio) input is not supported"),
        on_server_errors=True,
    ),
    _Pattern(
        ErrorKind.CONTENT_POLICY,
        re.compile(r"content (management )?policy|flagged by|was flagged|inappropriate content"),
    ),
    _Pattern(
        ErrorKind.PERMISSION,
        re.compile(r"insufficient permissions"),
    ),
    _Pattern(
        ErrorKind.AUTH,
        re.compile(
            r"(incorrect|invalid|missing|check the) api[ _-]?key|api key (not valid|is invalid|expired)"
        ),
    ),
    _Pattern(
        ErrorKind.MODEL_NOT_FOUND,
        re.compile(
            r"model .{0,120}(does ?n[o']t exist|not (be )?found|decommissioned|is not available)|not supported model"
            r"|(unknown|invalid) model|not a valid model|no endpoints found|supported api model names"
        ),
    ),
)

# Searched only if no HTTP status says what kind of error it is.
_WITHOUT_STATUS = (
    _Pattern(
        ErrorKind.RATE_LIMIT,
        re.compile(r"rate.{0,20}limit|too many requests|request limit|throttl|\bqps\b"),
    ),
    _Pattern(
        ErrorKind.QUOTA,
        re.compile(r"insufficient.{0,20}(balance|quota|credit|funds)|quota|arrears"),
    ),
    _Pattern(
        ErrorKind.AUTH,
        re.compile(r"unauthori[sz]ed|login fail|(api|access|secret)[ _-]?(key|token)"),
    ),
    _Pattern(
        ErrorKind.INVALID_REQUEST, re.compile(r"(invalid|illegal|bad)[ _]?(request|param|argument)")
    ),
    _Pattern(ErrorKind.TIMEOUT, re.compile(r"timed? ?out")),
    _Pattern(
        ErrorKind.OVERLOADED,
        re.compile(r"overload|(server|internal)[ _]?error|\bbusy\b|unavailable"),
    ),
)

#: A code that is an HTTP status.
_HTTP_ERROR = re.compile(r"[45]\d\d", re.ASCII)

# Characters of a text that is taken from a provider's error.
_MAX_TEXT = 2000

# Characters of the JSON of an error in which no message was found.
_MAX_EXCERPT = 300

_EMPTY_JSON = frozenset({"{}", "[]", "null", '""'})

# Characters of a delay: a longer text is no number, duration or date.
_MAX_DELAY = 100

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MAX_SECONDS = 1e9


def classify(
    status: int, headers: Mapping[str, str], body: bytes, *, now: datetime | None = None
) -> ProviderError:
    """Return the error that a provider's response stands for, as most providers mean it.

    A `status` of 200 means an error object in place of an answer. `headers` have lower-case names. `now` is what dates
    in Retry-After are compared with; the current time by default.
    """
    error = read_error(body)
    code = _text(error.code)
    message = _text(error.message)
    type_ = _text(error.type)
    param = _text(error.param)
    # An error with status 200, or in a stream, may have the real status as its code. Other numbers are not HTTP's.
    if not 400 <= status < 600 and code is not None and _HTTP_ERROR.fullmatch(code):
        status = int(code)
    names = f"{code or ''} {type_ or ''}".lower()
    # Xiaomi explains the error in `param`.
    explanation = f"{message or ''} {param or ''}".lower()
    return ProviderError(
        _kind(status, names, explanation),
        message or _message_of_unknown(status, body),
        status=status,
        type=type_,
        param=param,
        code=code,
        retry_after=retry_after(headers, {"details": error.details}, now=now),
    )


def retry_after(
    headers: Mapping[str, str], error: Mapping[str, Any] = {}, *, now: datetime | None = None
) -> float | None:
    """Return the seconds that the provider asks to wait; None if it does not.

    Read from `retry-after-ms`, Retry-After (seconds or a date), Google's RetryInfo in the error's details, and
    `x-ratelimit-reset-*` if the matching `remaining` is 0. `headers` have lower-case names.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    if text:
        return _retry_after_header(text, now)
    delay = _retry_delay(error.get("details"))
    if delay is not None:
        return _duration(delay)
    return _rate_limit_reset(headers)


def plausible_delay(seconds: float | None) -> float | None:
    """Return None instead of a delay in seconds that is negative, absurdly large, infinite or not a number."""
    if seconds is not None and 0 <= seconds < _MAX_SECONDS:
        return seconds
    return None


# The kind of error


def _kind(status: int, names: str, explanation: str) -> ErrorKind:
    """Return the kind of an error. `names` are its code and type, `explanation` is its message; in lower case."""
    # A server error says little in its code, and 408 and 409 have only one meaning.
    if status < 500 and status not in (408, 409):
        kind = _kind_of_code(status, names)
        if kind is not None:
            return kind
    # Messages about rate limits mention models and tokens.
    if status != 429:
        kind = _kind_of_message(status, explanation)
        if kind is not None:
            return kind
    kind = _KIND_OF_STATUS.get(status)
    if kind is not None:
        return kind
    if status >= 500:
        return ErrorKind.OVERLOADED
    if status >= 400:
        return ErrorKind.INVALID_REQUEST
    return _kind_without_status(f"{names} {explanation}")


def _kind_of_code(status: int, names: str) -> ErrorKind | None:
    for pattern in _CODES:
        # The message of a 401 may be more specific, and a 429 is about limits whatever its type.
        if pattern.kind is ErrorKind.AUTH and status in (401, 429):
            continue
        if pattern.regex.search(names):
            return pattern.kind
    return None


def _kind_of_message(status: int, explanation: str) -> ErrorKind | None:
    for pattern in _MESSAGES:
        if status >= 500 and not pattern.on_server_errors:
            continue
        if pattern.regex.search(explanation):
            return pattern.kind
    return None


def _kind_without_status(text: str) -> ErrorKind:
    """Return the kind of an error that came with a status other than 4xx or 5xx, from its names and its message."""
    for pattern in _WITHOUT_STATUS:
        if pattern.regex.search(text):
            return pattern.kind
    return ErrorKind.BAD_RESPONSE


def _message_of_unknown(status: int, body: bytes) -> str:
    """Return the message for an error of an unknown shape, with the beginning of its JSON."""
    message = f"The provider answered HTTP {status}"
    if not 400 <= status < 600:
        return message
    try:
        shown = msgspec.json.encode(msgspec.json.decode(body)).decode()
    except UNREADABLE:
        return message
    if shown in _EMPTY_JSON:
        return message
    return f"{message}: {redact.truncated(shown, _MAX_EXCERPT)}"


def _text(value: object) -> str | None:
    """Return a member that should be a string as a string, whatever its type, redacted and truncated."""
    if value is None or value == "":
        return None
    if isinstance(value, float) and value.is_integer():
        # Some JSON libraries write a number such as 429 with a decimal point.
        value = int(value)
    if isinstance(value, bool | int | float):
        return str(value)
    if not isinstance(value, str):
        value = msgspec.json.encode(value).decode()
    return redact.truncated(value, _MAX_TEXT)


# How long to wait


def _retry_after_header(text: str, now: datetime | None) -> float | None:
    if len(text) > _MAX_DELAY:
        return None
    seconds = _number(text)
    if seconds is not None:
        return seconds
    try:
        date = parsedate_to_datetime(text)
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        remaining = date - (now or datetime.now(UTC))
    except ValueError:
        return _duration(text)
    except OverflowError:
        # A year or a time zone beyond what a date can hold.
        return None
    return plausible_delay(max(0.0, remaining.total_seconds()))


def _retry_delay(details: object) -> str | None:
    """Return the `retryDelay` of Google's RetryInfo (`34s`)."""
    if not isinstance(details, list):
        return None
    for detail in details:
        if isinstance(detail, dict) and isinstance(detail.get("retryDelay"), str):
            return str(detail["retryDelay"])
    return None


def _rate_limit_reset(headers: Mapping[str, str]) -> float | None:
    """Return the seconds until all exhausted rate limits are reset; None if none is exhausted."""
    delays = []
    for limit in ("requests", "tokens"):
        if headers.get(f"x-ratelimit-remaining-{limit}") == "0":
            delay = _duration(headers.get(f"x-ratelimit-reset-{limit}", ""))
            if delay is not None:
                delays.append(delay)
    return max(delays, default=None)


def _number(text: str | None) -> float | None:
    """Return a number of seconds or milliseconds; None if it is not a number, negative or absurdly large."""
    if text is None or len(text) > _MAX_DELAY:
        return None
    try:
        return plausible_delay(float(text))
    except ValueError:
        return None


def _duration(text: str) -> float | None:
    """Return the seconds of a duration such as `1s`, `6m0.5s` or `120ms`, or of a plain number of seconds."""
    # The pattern is searched for at each position: without a bound, many digits would take quadratic time.
    if len(text) > _MAX_DELAY:
        return None
    found = _DURATION.findall(text)
    matched = "".join(number + unit for number, unit in found)
    if found and matched == text.strip():
        return plausible_delay(sum(float(number) * _SECONDS[unit] for number, unit in found))
    return _number(text)
