"""Cohere's error responses: https://docs.cohere.com/reference/errors."""

from __future__ import annotations

import re

from llms_core import ErrorKind, ProviderError
from llms_core.failure import classify
from llms_core.provider import Headers

# Cohere's own status: "a request or response contains a deny-listed token". Elsewhere 498 means overload.
_DENY_LISTED_TOKEN = 498
# A used-up trial key or budget. Cohere answers 429, as for the limits per minute, but waiting does not help.
_QUOTA = re.compile(r"(calls|limit) (/|per) month|billing reached")


def to_error(status: int, headers: Headers, body: bytes) -> ProviderError:
    """Translate an error response. Header names are in lower case."""
    error = classify(status, headers, body)
    if _QUOTA.search(error.message.lower()):
        error.kind = ErrorKind.QUOTA
    elif status == _DENY_LISTED_TOKEN:
        error.kind = ErrorKind.CONTENT_POLICY
    return error
