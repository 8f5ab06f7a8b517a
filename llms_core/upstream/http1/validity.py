"""What makes a response invalid that the parser accepts, and how it is reported."""

from __future__ import annotations

import logging

from llms_core.upstream.http1.response import Http1Response

log = logging.getLogger(__name__)

#: Bytes of a head, of trailers, and of anything else between two pieces of a body, such as chunk extensions.
MAX_HEAD = 64 * 1024

# What a field needs besides its name and value: colon, space and line end.
_FIELD_OVERHEAD = 4

_BODY_FRAMING = frozenset({b"content-length", b"transfer-encoding"})

TOO_LARGE = f"the head, the trailers or a chunk extension exceeds {MAX_HEAD} bytes"


class InvalidResponse(Exception):
    """Raised within the parser for what it would accept."""


def size_of(fields: list[tuple[bytes, bytes]]) -> int:
    """Return about how many bytes the fields took."""
    return sum(len(name) + len(value) + _FIELD_OVERHEAD for name, value in fields)


def ends_with_connection(response: Http1Response) -> bool:
    """Whether the end of the connection is the regular end of the body."""
    names = {name.lower() for name, _ in response.fields}
    if names.isdisjoint(_BODY_FRAMING):
        return True
    if "content-length" in response.headers:
        return False
    return not response.headers["transfer-encoding"].endswith("chunked")


def reason_of(error: Exception) -> str:
    """Return why the parser failed: what one of its callbacks raised, or that the response is not valid."""
    cause = error.__context__
    if isinstance(cause, InvalidResponse):
        return str(cause)
    log.debug("a response is not valid HTTP/1.1: %s", error)
    return "the response is not valid HTTP/1.1"
