"""What a provider's error answer means: status, headers and body -> ProviderError."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from llms_core.errors import ErrorKind, ProviderError
from llms_core.secret import redact

_BY_STATUS = {
    400: ErrorKind.INVALID_REQUEST,
    401: ErrorKind.AUTH,
    402: ErrorKind.QUOTA,
    403: ErrorKind.PERMISSION,
    404: ErrorKind.MODEL_NOT_FOUND,
    408: ErrorKind.TIMEOUT,
    409: ErrorKind.OVERLOADED,
    413: ErrorKind.INVALID_REQUEST,
    415: ErrorKind.INVALID_REQUEST,
    422: ErrorKind.INVALID_REQUEST,
    429: ErrorKind.RATE_LIMIT,
    504: ErrorKind.TIMEOUT,
    522: ErrorKind.TIMEOUT,
    524: ErrorKind.TIMEOUT,
}

# Read in this order; each is tried on the error's code and type, then on its message.
_BY_CODE = (
    (
        ErrorKind.CONTEXT_LENGTH,
        re.compile(r"context_length|context_window|max_context|string_above_max_length|too_many_prompt_tokens"),
    ),
    (
        ErrorKind.CONTENT_POLICY,
        re.compile(r"content_?(policy|filter)|moderation|data_inspection|responsible_?ai|safety|sensitive"),
    ),
    (ErrorKind.QUOTA, re.compile(r"insufficient_(quota|balance|credit)|billing|quota_exceeded|payment")),
    (ErrorKind.AUTH, re.compile(r"invalid_api_key|api_key_invalid|authentication|unauthenticated")),
    (ErrorKind.MODEL_NOT_FOUND, re.compile(r"model_not_(found|exist)|invalid_model|model_decommissioned")),
)
_BY_MESSAGE = (
    (
        ErrorKind.CONTEXT_LENGTH,
        re.compile(
            r"context[ _](length|window|size)|maximum context|prompt is too long|too many (input |prompt )?tokens"
            r"|input token count .* exceeds|exceeds? the (available|maximum|model'?s?) .{0,20}(context|token)"
        ),
    ),
    (ErrorKind.INVALID_REQUEST, re.compile(r"no endpoints found that support|(image|audio) input is not supported")),
    (
        ErrorKind.CONTENT_POLICY,
        re.compile(r"content (management )?policy|flagged by|was flagged|inappropriate content"),
    ),
    (ErrorKind.PERMISSION, re.compile(r"insufficient permissions")),
    (
        ErrorKind.AUTH,
        re.compile(r"(incorrect|invalid|missing|check the) api[ _-]?key|api key (not valid|is invalid|expired)"),
    ),
    (
        ErrorKind.MODEL_NOT_FOUND,
        re.compile(
            r"model .{0,120}(does ?n[o']t exist|not (be )?found|decommissioned|is not available)|not supported model"
            r"|(unknown|invalid) model|not a valid model|no endpoints found|supported api model names"
        ),
    ),
)


def classify(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime | None = None) -> ProviderError:
    """The default meaning of a provider's error; `headers` have lower-case names, `now` is for dates in Retry-After.

    A `status` of 200 means an error object where an answer was due.
    """
    said = _read(body)
    code, message = _text(said.get("code")), _text(said.get("message"))
    type_, param = _text(said.get("type") or said.get("status")), _text(said.get("param"))
    hints = f"{message or ''} {param or ''}".lower()  # Xiaomi says in `param` what is wrong
    if not 400 <= status < 600 and code is not None and code.isdigit():
        status = int(code)
    return ProviderError(
        _kind(status, f"{code or ''} {type_ or ''}".lower(), hints),
        message or f"The provider answered HTTP {status}",
        status=status,
        type=type_,
        param=param,
        code=code,
        retry_after=retry_after(headers, said, now=now),
    )


def _kind(status: int, names: str, message: str) -> ErrorKind:
    if status < 500 and status not in (408, 409):
        for kind, pattern in _BY_CODE:
            if pattern.search(names) and not (kind is ErrorKind.AUTH and status in (401, 429)):
                return kind
    if status != 429:  # a 5xx too: llama.cpp says so that a prompt is too long
        for kind, pattern in _BY_MESSAGE if status < 500 else _BY_MESSAGE[:2]:
            if pattern.search(message):
                return kind
    if known := _BY_STATUS.get(status):
        return known
    if status >= 500 or status == 498:  # 498: Groq's "flex tier capacity exceeded"
        return ErrorKind.OVERLOADED
    if status >= 400:
        return ErrorKind.INVALID_REQUEST
    if "rate" in names and "limit" in names:
        return ErrorKind.RATE_LIMIT
    if "invalid_request" in names:
        return ErrorKind.INVALID_REQUEST
    return ErrorKind.OVERLOADED if "overload" in names or "server_error" in names else ErrorKind.BAD_RESPONSE


def _read(body: bytes) -> dict[str, Any]:
    """The error object out of the shapes that providers use; {} where the body is none of them."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    if isinstance(value, list):
        value = value[0] if value else {}
    if not isinstance(value, dict):
        return {"message": value} if isinstance(value, str) else {}
    inner = value.get("error", value.get("errors"))
    if isinstance(inner, list):
        inner = inner[0] if inner else None
    if isinstance(inner, dict):
        return _nested(inner)
    if isinstance(inner, str):
        return {**value, "message": _text(value.get("message")) or inner}
    if "message" not in value and "detail" in value:
        return {**value, **_detail(value["detail"])}
    return value


def _detail(detail: object) -> dict[str, Any]:
    """FastAPI's `detail`: a text, or a list of what is wrong and where."""
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        where = [str(step) for step in detail[0].get("loc") or () if step != "body"]
        return {"message": detail[0].get("msg"), "param": ".".join(where), "type": detail[0].get("type")}
    return {"message": detail}


def _nested(inner: dict[str, Any]) -> dict[str, Any]:
    """OpenRouter and others wrap the error of the provider behind them as JSON text in `metadata.raw`."""
    metadata = inner.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    return {**inner, "message": f"{inner.get('message')}: {raw[:500]}"} if isinstance(raw, str) and raw else inner


def _text(value: object) -> str | None:
    """A member that should be a string, whatever the provider made of it; bounded."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return redact(value)[:2000]  # cut first, a key at the cut would show in part
    if isinstance(value, bool | int | float):
        return str(value)
    return msgspec.json.encode(value).decode()[:2000]


_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def retry_after(
    headers: Mapping[str, str], error: Mapping[str, Any] = {}, *, now: datetime | None = None
) -> float | None:
    """Seconds that the provider asks to wait: Retry-After (seconds or a date), retry-after-ms, or Google's RetryInfo.

    None where it asks for nothing. `x-ratelimit-reset-*` counts only where the matching `remaining` is 0.
    """
    if (value := _number(headers.get("retry-after-ms"))) is not None:
        return value / 1000
    if text := headers.get("retry-after"):
        if (value := _number(text)) is not None:
            return value
        try:
            date = parsedate_to_datetime(text)
        except ValueError:
            return _duration(text)
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and isinstance(delay := detail.get("retryDelay"), str):
            return _duration(delay)
    waits = [
        _duration(headers.get(f"x-ratelimit-reset-{what}", ""))
        for what in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{what}") == "0"
    ]
    return max((wait for wait in waits if wait is not None), default=None)


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else -1.0
    except ValueError:
        return None
    return value if 0 <= value < 1e9 else None


def _duration(text: str) -> float | None:
    """`1s`, `6m0.5s`, `120ms`, or plain seconds."""
    found = _DURATION.findall(text)
    if found and "".join(number + unit for number, unit in found) == text.strip():
        return sum(float(number) * _SECONDS[unit] for number, unit in found)
    return _number(text or None)
