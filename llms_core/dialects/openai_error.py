"""OpenAI's error object."""

from __future__ import annotations

from typing import Any

import msgspec

from llms_core.dialects import ErrorResponse, FailedAttempt


class ErrorObject(msgspec.Struct):
    """OpenAI's error object."""

    message: str
    type: str
    code: str | None
    param: str | None = None


class ErrorBody(msgspec.Struct, omit_defaults=True):
    """The body of every response that is not 2xx. `attempts` is there if all providers failed."""

    error: ErrorObject
    attempts: tuple[FailedAttempt, ...] = ()


def encode(error: ErrorResponse) -> bytes:
    """Return the error as OpenAI's JSON."""
    members = {"message": error.message, "type": error.type, "code": error.code}
    if not error.bare:
        members["param"] = error.param
    body: dict[str, Any] = {"error": members}
    if error.attempts:
        body["attempts"] = error.attempts
    return msgspec.json.encode(body)
