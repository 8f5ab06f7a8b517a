"""The record of a request that has ended: what plugins and the log get."""

from __future__ import annotations

import logging
from typing import Any

from llms_core.config.model import Price
from llms_core.contracts.body import RequestBody
from llms_core.contracts.completion import Usage
from llms_core.errors import ErrorKind
from llms_core.middleware import Answered
from llms_core.plugins.host import PluginHost
from llms_core.records import Caller, RequestRecord
from llms_core.routing.trace import RequestTrace

log = logging.getLogger(__name__)


def request_finished(
    host: PluginHost,
    trace: RequestTrace,
    *,
    body: RequestBody[Any] | None,
    answer: Answered | None,
    caller: Caller | None,
    status: int,
    overhead: float | None,
    stream_error: ErrorKind | None,
) -> RequestRecord:
    """Report a request that has ended, and return its record.

    `body` is None if it could not be decoded, `overhead` is in seconds, `stream_error` is the error that ended a
    stream after it was committed.
    """
    record = _record(trace, body, answer, caller, status, overhead, stream_error)
    host.request_finished(record)
    if is_logged():
        log.info(
            # The model name comes from the client: quoted and truncated, it cannot forge log lines or flood the log.
            "%s %s model=%.200r provider=%s attempts=%d %.0f ms",
            record.request_id,
            record.status,
            record.model,
            record.provider or "-",
            len(record.attempts),
            record.duration * 1000,
        )
    return record


def is_logged() -> bool:
    """Whether the log shows requests."""
    return log.isEnabledFor(logging.INFO)


def _record(
    trace: RequestTrace,
    body: RequestBody[Any] | None,
    answer: Answered | None,
    caller: Caller | None,
    status: int,
    overhead: float | None,
    stream_error: ErrorKind | None,
) -> RequestRecord:
    last = trace.attempts[-1] if trace.attempts else None
    # Attempts end in order: the one that answered is the last.
    candidate = answer.candidate if answer is not None else None
    served = last if candidate is not None else None
    usage = served.usage if served is not None else None
    cost = None
    if candidate is not None and usage is not None:
        cost = cost_of(candidate.price, usage)
    kind = stream_error
    if kind is None and last is not None:
        kind = last.kind
    return RequestRecord(
        request_id=trace.id,
        model="" if body is None else body.model,
        status=status,
        stream=body is not None and body.stream,
        duration=trace.duration,
        # The header's value if one was sent: time after that is spent on the client's side.
        overhead=trace.overhead if overhead is None else overhead,
        attempts=tuple(trace.attempts),
        provider=served.provider if served is not None else None,
        upstream_model=served.upstream_model if served is not None else None,
        usage=usage,
        cost=cost,
        kind=kind,
        caller=caller.name if caller is not None else None,
    )


def cost_of(price: Price | None, usage: Usage) -> float | None:
    """The cost in USD of the tokens at the price of the model that served; None if the price is unknown."""
    if price is None:
        return None
    details = usage.prompt_tokens_details or {}
    # A provider that counts more cached tokens than prompt tokens must not lead to a negative cost.
    cached = min(int(details.get("cached_tokens") or 0), usage.prompt_tokens)
    cached_price = price.input if price.cache_read is None else price.cache_read
    input_cost = (usage.prompt_tokens - cached) * price.input + cached * cached_price
    output_cost = usage.completion_tokens * price.output
    return (input_cost + output_cost) / 1e6
