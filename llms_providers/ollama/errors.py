"""Ollama's error responses: a text in `error`, under a status that is usually right."""

from __future__ import annotations

import re

from llms_core import ErrorKind, ProviderError
from llms_core.failure import classify
from llms_core.provider import Headers

# Searched in the lower-case message; the first match replaces the kind that follows from the status.
_KINDS_BY_MESSAGE = (
    # The cloud answers 429 to a plan that is used up, as it does to a rate limit.
    (ErrorKind.QUOTA, re.compile(r"usage limit")),
    # An image that the model cannot decode is the client's error, but Ollama answers 500.
    (
        ErrorKind.INVALID_REQUEST,
        re.compile(r"failed to process inputs|image: unknown format|invalid image"),
    ),
)


def to_error(status: int, headers: Headers, body: bytes) -> ProviderError:
    """Translate an error response. Header names are in lower case."""
    error = classify(status, headers, body)
    message = error.message.lower()
    for kind, pattern in _KINDS_BY_MESSAGE:
        if pattern.search(message):
            error.kind = kind
            break
    return error
