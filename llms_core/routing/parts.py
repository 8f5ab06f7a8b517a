"""A call that a provider takes in several requests only: they are sent a few at a time and make up one attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from llms_core.candidate import Candidate
from llms_core.errors import PluginError
from llms_core.operations import Answer, Operation
from llms_core.operations.adapter_results import requested
from llms_core.upstream.body import AttemptLimits
from llms_core.upstream.credentials import redact_credentials
from llms_core.upstream.exchange import whole_answer
from llms_core.upstream.transport import HttpTransport

CONCURRENT_REQUESTS = 4
"""How many parts of one call are sent at the same time: more would often meet the provider's rate limit."""


async def answer_parts(
    transport: HttpTransport,
    operation: Operation[Any, Any],
    candidate: Candidate,
    calls: Sequence[Any],
    limits: AttemptLimits,
) -> tuple[Sequence[Answer], tuple[str, ...]]:
    """Return the answers to all calls, in order, and the names of the parameters that were not sent.

    The time limits apply to all of them together. The first failure, or cancellation, ends the others. Raises what
    one exchange raises.
    """
    adapter = candidate.adapter
    clock = asyncio.get_running_loop().time
    started = clock()
    answers: dict[int, Answer] = {}
    dropped: dict[str, None] = {}
    remaining = iter(enumerate(calls))

    async def answer_next() -> None:
        for number, call in remaining:
            request = requested(operation.request, adapter, call)
            if candidate.preparation is not None:
                redact_credentials(request)
            dropped.update(dict.fromkeys(request.dropped))
            left = limits.after(clock() - started)
            answers[number] = await whole_answer(transport, operation, adapter, call, request, left)

    async def guarded() -> None:
        try:
            await answer_next()
        except SystemExit as error:
            # Out of a task it would end the event loop, and with it the server.
            raise PluginError(f"the adapter raised SystemExit: {error}") from error

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(CONCURRENT_REQUESTS, len(calls))):
                group.create_task(guarded())
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [answers[number] for number in range(len(calls))], tuple(dropped)
