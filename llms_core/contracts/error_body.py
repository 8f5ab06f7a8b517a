"""Reads error bodies: providers put an error's text and code under many names, at many depths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from llms_core.contracts.json import UNREADABLE
from llms_core.secret import redact

Json = dict[str, Any]

# The first of these members that has a value counts.
_MESSAGES = (
    "message",
    "Message",  # Amazon
    "msg",
    "error_msg",  # Baidu
    "error_message",
    "errorMessage",
    "status_msg",  # MiniMax
    "faultstring",  # Apigee
)
_CODES = ("code", "Code", "error_code", "errorCode", "status_code")
_TYPES = ("type", "error_type", "__type")

# Members that hold the error itself.
_WRAPPERS = ("error", "errors", "Error", "Response", "fault")
# Members that hold a code of success in every answer, or else the error: MiniMax, iFlytek.
_STATUS_WRAPPERS = ("base_resp", "header")
_MAX_DEPTH = 4

_SUCCESS_CODES = frozenset({"", "0", "200", "success", "ok"})
_MAX_PLAIN_TEXT = 500
_MAX_WRAPPED_TEXT = 500


class ErrorBody(msgspec.Struct, frozen=True):
    """The members of an error, as the provider wrote them: usually texts, but of any type. None if absent."""

    message: Any = None
    code: Any = None
    type: Any = None
    param: Any = None
    details: Any = None


def read_error(body: bytes) -> ErrorBody:
    """Return the members of an error of any of the shapes that providers use. Never raises.

    A short text that is neither JSON nor markup is the message.
    """
    try:
        value = msgspec.json.decode(body)
    except UNREADABLE:
        return ErrorBody(message=_plain_text(body))
    # Google's OpenAI endpoint answers a list with one error.
    value = _first(value)
    if isinstance(value, str):
        return ErrorBody(message=value)
    if not isinstance(value, dict):
        return ErrorBody()
    error = _innermost(value)
    if "detail" in error and _value(error, _MESSAGES) is None:
        error = {**error, **_from_detail(error["detail"])}
    status = error.get("status")
    is_number = isinstance(status, int) or (isinstance(status, str) and status.isdecimal())
    return ErrorBody(
        message=_value(error, (*_MESSAGES, "title")),
        code=_value(error, (*_CODES, "status") if is_number else _CODES),
        type=_value(error, _TYPES if is_number else (*_TYPES, "status")),
        param=error.get("param"),
        details=error.get("details"),
    )


def describes_error(body: bytes) -> bool:
    """Whether a body with status 200, or an event of a stream, is an error rather than something unknown.

    To be asked about what is no answer: an answer can have a `message` and a `code` too.
    """
    try:
        value = _first(msgspec.json.decode(body))
    except UNREADABLE:
        return False
    if not isinstance(value, dict):
        return False
    if any(value.get(name) for name in _WRAPPERS) or "error" in (
        value.get("object"),
        value.get("type"),
    ):
        return True
    error = _innermost(value)
    if _is_problem(error):
        return True
    code = _value(error, _CODES)
    has_failed = code is not None and str(code).lower() not in _SUCCESS_CODES
    # A message may also be an object: that of an answer.
    has_text = isinstance(_value(error, _MESSAGES), str) or bool(error.get("detail"))
    # Events of all kinds have a type, and some of them a message.
    return has_text and (has_failed or (code is None and "type" not in value))


def _is_problem(error: Json) -> bool:
    """Whether an object is a problem as RFC 9457 has it."""
    status = error.get("status")
    return isinstance(error.get("title"), str) and isinstance(status, int) and 400 <= status < 600


def _first(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return value[0] if value else None


def _value(error: Mapping[str, Any], names: Iterable[str]) -> Any:
    """Return the first member with a value: neither null nor empty."""
    for name in names:
        value = error.get(name)
        if value is not None and value not in ("", [], {}):
            return value
    return None


def _innermost(value: Json) -> Json:
    """Return the object that has the error's members: `value`, or one within it."""
    for _ in range(_MAX_DEPTH):
        inner = _first(_value(value, _WRAPPERS))
        if inner is None:
            inner = _failed_status(value)
        if isinstance(inner, str):
            return {**value, "message": _value(value, _MESSAGES) or inner}
        if not isinstance(inner, dict):
            break
        value = inner
        if _value(value, _MESSAGES) is not None:
            break
    return _unwrapped(value)


def _failed_status(value: Json) -> Json | None:
    for name in _STATUS_WRAPPERS:
        status = value.get(name)
        if (
            isinstance(status, dict)
            and str(_value(status, _CODES) or "").lower() not in _SUCCESS_CODES
        ):
            return status
    return None


def _unwrapped(error: Json) -> Json:
    """Add the error of the provider behind a router, which OpenRouter and others put into `metadata.raw` as text."""
    metadata = error.get("metadata")
    if not isinstance(metadata, dict):
        return error
    raw = metadata.get("raw")
    if not isinstance(raw, str) or not raw:
        return error
    wrapped = redact.truncated(raw, _MAX_WRAPPED_TEXT)
    own = _value(error, _MESSAGES)
    return {**error, "message": wrapped if own is None else f"{own}: {wrapped}"}


def _from_detail(detail: object) -> Json:
    """Return the members of `detail`: a text, an object, or FastAPI's list of validation errors with locations."""
    first = _first(detail)
    if not isinstance(first, dict):
        return {"message": detail}
    location = first.get("loc")
    steps = location if isinstance(location, list) else [location]
    param = ".".join(str(step) for step in steps if step not in ("body", None))
    return {**first, "message": _value(first, _MESSAGES), "param": param or first.get("param")}


def _plain_text(body: bytes) -> str | None:
    """Return a body that is a short text; None for a page, damaged JSON or binary data."""
    if len(body) > _MAX_PLAIN_TEXT:
        return None
    try:
        text = " ".join(body.decode().split())
    except UnicodeDecodeError:
        return None
    if text.startswith(("<", "{", "[", '"')) or not text.isprintable():
        return None
    return text or None
