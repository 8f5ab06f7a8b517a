"""Reads a request's body, within its size and time limits."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar.types import Receive, Scope

from llms_core.contracts.json import has_more_members
from llms_core.deadline import Deadline
from llms_core.errors import RequestError
from llms_core.server.disconnect import ClientDisconnected
from llms_core.server.request_headers import by_name

# Python refuses to read numbers of very many.
_MAX_DIGITS = 100

MAX_MEMBERS = 100_000
"""Members of all objects in a body. Reading and translating many small ones takes seconds, in which nobody else is
served; the body of a conversation of five thousand messages has fewer."""


async def read_body(scope: Scope, receive: Receive, max_bytes: int, seconds: float) -> bytes:
    """Return the complete body. `seconds` is the time that it may take.

    Raises RequestError, 413 if the body exceeds `max_bytes` or has too many members and 408 if it takes too long, and
    ClientDisconnected.
    """
    # If the client sent a Content-Length, a body that is too large is refused before it is read.
    if exceeds(by_name(scope).get(b"content-length", b""), max_bytes):
        raise _too_large(max_bytes)
    deadline = Deadline()
    try:
        with deadline.at(asyncio.get_running_loop().time() + seconds):
            data = await _read_all(receive, max_bytes)
    except TimeoutError:
        message = f"The request body did not arrive within {seconds:g} s"
        raise RequestError(message, status=408, code="request_timeout") from None
    finally:
        deadline.close()
    if has_more_members(data, MAX_MEMBERS):
        message = f"The objects in the request body have more than {MAX_MEMBERS} members together"
        raise RequestError(message, status=413, code="request_too_large")
    return data


def exceeds(length: bytes, max_bytes: int) -> bool:
    """Whether a Content-Length announces a body that is too large."""
    return length.isdigit() and (len(length) > _MAX_DIGITS or int(length) > max_bytes)


async def _read_all(receive: Receive, max_bytes: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        piece = message.get("body", b"")
        # Counted in any case: a chunked body has no Content-Length.
        size += len(piece)
        if size > max_bytes:
            raise _too_large(max_bytes)
        pieces.append(piece)
        if not message.get("more_body"):
            # Most bodies arrive in one piece; joining would copy it.
            if len(pieces) == 1:
                return pieces[0]
            return b"".join(pieces)


def _too_large(max_bytes: int) -> RequestError:
    return RequestError(
        f"The request body exceeds {max_bytes} bytes", status=413, code="request_too_large"
    )
