"""What the dialects that count tokens have in common: the header that tells how."""

from __future__ import annotations

from collections.abc import Iterable

from llms_core.operations import Answer
from llms_core.operations.count_tokens import TokenCount


def count_headers(answer: Answer) -> Iterable[tuple[bytes, bytes]]:
    """Return the header that tells whether the provider has counted the tokens, or they were estimated."""
    is_estimate = isinstance(answer, TokenCount) and answer.is_estimate
    return [(b"x-llms-token-count", b"estimate" if is_estimate else b"provider")]
