"""When the same candidate is tried again, and after which pause."""

from __future__ import annotations

from collections.abc import Callable

from llms_core.config.model import Retry
from llms_core.errors import ERROR_TABLE, ProviderError


def backoff(
    retry: Retry, error: ProviderError, turn: int, draw: Callable[[], float]
) -> float | None:
    """Return the seconds to wait before the same candidate is tried again, or None if it is not.

    The pause grows exponentially with `turn`, from 0, and has full jitter: `draw` returns a number in [0, 1). A
    Retry-After is waited for in full, or not at all if it is longer than the longest allowed pause.
    """
    if not ERROR_TABLE[error.kind].retry_in_place:
        return None
    if error.retry_after is None:
        # Full jitter: requests that failed together must not be retried together.
        return draw() * min(retry.longest, retry.base * 2.0**turn)
    # The client must not be kept waiting for so long; the next candidate, if any, is tried instead.
    if error.retry_after > retry.longest:
        return None
    return error.retry_after + draw() * retry.base
