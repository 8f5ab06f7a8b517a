"""OpenAI's error object."""

from __future__ import annotations

import msgspec

from llms_core.dialects import ErrorResponse


class ErrorObject(msgspec.Struct):
    """OpenAI's error object."""

    message: str
    type: str
    code: str | None
    param: str | None = None


class ErrorBody(msgspec.Struct):
    """The body of every response that is not 2xx."""

    error: ErrorObject


def encode(error: ErrorResponse) -> bytes:
    """Return the error as OpenAI's JSON."""
    members = {"message": error.message, "type": error.type, "code": error.code}
    if not error.bare:
        members["param"] = error.param
    return msgspec.json.encode({"error": members})
