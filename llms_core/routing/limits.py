"""The time limits of one attempt, from `[timeouts]` of plugins.toml and what remains of the request's time."""

from __future__ import annotations

from llms_core.config.model import ProviderTimeouts, Timeouts
from llms_core.upstream.body import AttemptLimits

#: Seconds that a whole answer may take at least by default: models may think for long before they answer.
_SHORTEST_SHARE = 60.0

_NO_OVERRIDES = ProviderTimeouts()


def preparation_limits(timeouts: Timeouts, provider_id: str, max_bytes: int) -> AttemptLimits:
    """Return the limits of a preparation. They depend on no request, because requests share it."""
    own = timeouts.provider.get(provider_id, _NO_OVERRIDES)
    total = own.first_token or timeouts.first_token or own.total or timeouts.total
    return AttemptLimits(
        connect=own.connect or timeouts.connect,
        first_token=total,
        idle=own.idle or timeouts.idle,
        total=total,
        max_bytes=max_bytes,
    )


def attempt_limits(
    timeouts: Timeouts,
    provider_id: str,
    remaining: float,
    candidates_left: int,
    *,
    whole: bool,
    max_bytes: int,
) -> AttemptLimits:
    """Return the limits of the next attempt.

    `remaining` are the seconds that are left to the request, `candidates_left` counts the candidate of this attempt.
    `whole` is true if another candidate can be tried until the answer is complete, and not just until its first token.

    `[timeouts.provider.NAME]` overrides the general limits. While another candidate remains, no attempt gets more than
    half of the remaining time: a silent provider must not keep the next one from being tried.
    """
    own = timeouts.provider.get(provider_id, _NO_OVERRIDES)
    total = min(own.total or remaining, remaining)
    first_token = own.first_token or timeouts.first_token or total
    if candidates_left > 1:
        half = remaining / 2
        if own.first_token is None:
            first_token = min(first_token, timeouts.failover.first_token)
        first_token = min(first_token, half)
        if whole:
            share = max(_SHORTEST_SHARE, remaining / candidates_left)
            total = min(own.total or timeouts.failover.total or share, half)
    return AttemptLimits(
        connect=own.connect or timeouts.connect,
        first_token=first_token,
        idle=own.idle or timeouts.idle,
        content=own.content or timeouts.content,
        total=total,
        max_bytes=max_bytes,
    )
