"""Reads a whole body within an attempt's limits: an answer, or why the provider refused to give one."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import msgspec

from llms_core.deadline import Deadline
from llms_core.errors import ErrorKind, ProviderError
from llms_core.operations.adapter_results import refusal
from llms_core.provider import UpstreamRequest
from llms_core.upstream.credentials import redact_credentials
from llms_core.upstream.transport import HttpResponse

_MAX_ERROR_BYTES = 256 * 1024

GRACE_SECONDS = 5.0
"""Seconds that a complete stream waits for usage and its regular end, and that an error waits for its body."""


class AttemptLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one attempt: times in seconds, and the size of an answer in bytes."""

    connect: float
    first_token: float
    #: between two reads
    idle: float
    total: float
    max_bytes: int
    #: between two chunks with content
    content: float = math.inf

    def after(self, seconds: float) -> AttemptLimits:
        """What is left of the limits once a part of the attempt has taken so long."""
        return msgspec.structs.replace(
            self,
            first_token=max(0.0, self.first_token - seconds),
            total=max(0.0, self.total - seconds),
        )


async def read_refusal(
    adapter: Any,
    request: UpstreamRequest,
    response: HttpResponse,
    limits: AttemptLimits,
    deadline: Deadline,
    end: float,
) -> ProviderError:
    """Return what a response means whose status is not 2xx."""
    # First, because the adapter truncates the provider's text, which may repeat them.
    redact_credentials(request)
    try:
        idle = min(limits.idle, GRACE_SECONDS)
        body = await read_body(response, _MAX_ERROR_BYTES, idle, deadline, end, truncate=True)
    except (ProviderError, TimeoutError):
        body = b""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return refusal(adapter, response.status, headers, body)


async def read_body(
    response: HttpResponse,
    max_bytes: int,
    idle: float,
    deadline: Deadline,
    end: float,
    *,
    truncate: bool = False,
) -> bytes:
    """Read the body to its end. With `truncate`, what exceeds `max_bytes` is cut off instead of being an error.

    Raises ProviderError, also for a pause of `idle` seconds; TimeoutError at `end`.
    """
    pieces: list[bytes] = []
    size = 0
    clock = asyncio.get_running_loop().time
    while True:
        limit = clock() + idle
        try:
            with deadline.at(min(limit, end)):
                piece = await response.read()
        except TimeoutError:
            if limit >= end:
                raise
            raise ProviderError(
                ErrorKind.TIMEOUT, f"The answer stalled for {seconds_of(idle)}"
            ) from None
        pieces.append(piece)
        size += len(piece)
        if size > max_bytes:
            if truncate:
                return b"".join(pieces)
            raise too_large(max_bytes)
        if not piece or response.exhausted:
            if size == len(piece):
                return piece
            return b"".join(pieces)


def too_large(max_bytes: int) -> ProviderError:
    """Return the error for an answer over the limit."""
    return ProviderError(ErrorKind.BAD_RESPONSE, f"The answer exceeds {max_bytes} bytes")


def seconds_of(limit: float) -> str:
    """Return a limit for a message. A share of the remaining time is no round number."""
    return f"{round(limit, 1 if limit >= 1 else 3):g} s"
