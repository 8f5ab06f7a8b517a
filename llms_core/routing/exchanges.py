"""What happens in one attempt: the provider is made ready, and asked; up to the commit point."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from llms_core.adapter_tasks import AdapterTasks
from llms_core.candidate import Candidate
from llms_core.config.model import Routing, Timeouts
from llms_core.contracts.body import RequestBody
from llms_core.errors import ErrorKind, ProviderError
from llms_core.middleware import Answered
from llms_core.operations import Answer, FetchMedia, Operation
from llms_core.operations.adapter_results import requested
from llms_core.operations.stream import ChunkReader
from llms_core.preparation import Preparation
from llms_core.provider import AdapterHttp
from llms_core.routing.attempt import Attempt
from llms_core.routing.limits import preparation_limits
from llms_core.routing.parts import answer_parts
from llms_core.routing.trace import RequestTrace
from llms_core.upstream.added_headers import AddedHeaders
from llms_core.upstream.answer_stream import AnswerStream
from llms_core.upstream.body import AttemptLimits
from llms_core.upstream.credentials import redact_credentials
from llms_core.upstream.exchange import open_stream, whole_answer
from llms_core.upstream.generation import Generation, open_generated, whole_generated
from llms_core.upstream.provider_http import ProviderHttp
from llms_core.upstream.transport import HttpTransport


class Exchanges(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """What an attempt needs, whoever the candidate is."""

    transport: HttpTransport
    routing: Routing
    timeouts: Timeouts
    #: The largest answer in bytes.
    max_bytes: int
    fetch: FetchMedia
    #: Where coroutines of adapters run.
    tasks: AdapterTasks = msgspec.field(default_factory=AdapterTasks)

    async def exchange(
        self,
        trace: RequestTrace,
        operation: Operation[Any, Any],
        candidate: Candidate,
        call: Any,
        body: RequestBody[Any],
        limits: AttemptLimits,
        attempt: Attempt,
        *,
        replays: bool,
    ) -> Answered:
        """Send the request and read the answer, up to the commit point. With `replays`, it becomes a stream."""
        adapter = candidate.adapter
        preparation = candidate.preparation
        trace.upstream_started()
        if preparation is not None or candidate.inlines:
            call, limits = await self._prepare(operation, candidate, call, limits, attempt)
        if candidate.generate is not None and (reader := operation.generated(call)) is not None:
            wants_stream = body.stream or replays
            return await self._generate(
                candidate.generate,
                operation,
                reader,
                call,
                limits,
                attempt,
                wants_stream=wants_stream,
            )
        if not body.stream and len(calls := operation.split(call, candidate)) > 1:
            answers, dropped = await answer_parts(
                self._transport(attempt), operation, candidate, calls, limits
            )
            return _answered(
                operation, attempt, operation.join(call, answers), dropped, replays=replays
            )
        request = requested(operation.request, adapter, call)
        if preparation is not None:
            # It may have obtained a token, which only the request shows.
            redact_credentials(request)
        if not body.stream:
            answer = await whole_answer(
                self._transport(attempt), operation, adapter, call, request, limits
            )
            return _answered(operation, attempt, answer, request.dropped, replays=replays)
        stream = await open_stream(
            self._transport(attempt), operation, adapter, call, request, limits, attempt
        )
        await self._commit(stream, attempt)
        return Answered(candidate=candidate, dropped=request.dropped, stream=stream)

    async def _generate(
        self,
        generate: Callable[[Any, AdapterHttp], Any],
        operation: Operation[Any, Any],
        reader: ChunkReader,
        call: Any,
        limits: AttemptLimits,
        attempt: Attempt,
        *,
        wants_stream: bool,
    ) -> Answered:
        """Let the adapter make its exchanges itself, up to the commit point."""
        candidate = attempt.candidate
        http = ProviderHttp(self._transport(attempt), limits)
        http.drop(*call.dropped)
        made = generate(call, http)
        generation = Generation(self.tasks, made, http, f"`generate` of {candidate.provider_id}")
        if not wants_stream or generation.is_whole:
            answer = await whole_generated(generation, operation, reader, limits)
            return _answered(operation, attempt, answer, http.dropped, replays=wants_stream)
        opened = open_generated(generation, operation, reader, limits, attempt)
        await self._commit(opened, attempt)
        return Answered(candidate=candidate, dropped=http.dropped, stream=opened)

    def _transport(self, attempt: Attempt) -> HttpTransport:
        if attempt.headers:
            return AddedHeaders(self.transport, attempt.headers)
        return self.transport

    async def _commit(self, stream: AnswerStream, attempt: Attempt) -> None:
        try:
            await stream.commit(whole=self.routing.commit == "whole")
        except BaseException:
            await stream.release()
            raise
        attempt.committed()

    async def _make_ready(self, provider_id: str, preparation: Preparation) -> None:
        limits = preparation_limits(self.timeouts, provider_id, self.max_bytes)
        await preparation.ready(
            lambda: ProviderHttp(self.transport, limits, prepares=True), limits.total
        )

    async def _prepare(
        self,
        operation: Operation[Any, Any],
        candidate: Candidate,
        call: Any,
        limits: AttemptLimits,
        attempt: Attempt,
    ) -> tuple[Any, AttemptLimits]:
        """Make the provider ready, and fetch the media that it needs as bytes.

        Returns the call to make, and what is left of the attempt's limits.
        """
        clock = asyncio.get_running_loop().time
        started = clock()
        preparation = candidate.preparation
        is_ready = preparation is None or started < preparation.due
        if is_ready and not candidate.inlines:
            attempt.prepared = None if preparation is None else preparation.number
            return call, limits
        try:
            # Few requests need this, so the cost of a separate timer does not matter.
            async with asyncio.timeout(min(limits.first_token, limits.total)):
                if preparation is not None:
                    await self._make_ready(candidate.provider_id, preparation)
                    attempt.prepared = preparation.number
                if candidate.inlines:
                    call = await operation.inline_media(call, candidate.inlines, self.fetch)
        except TimeoutError:
            message = "The provider could not be made ready in time"
            raise ProviderError(ErrorKind.TIMEOUT, message) from None
        return call, limits.after(clock() - started)


def _answered(
    operation: Operation[Any, Any],
    attempt: Attempt,
    answer: Answer,
    dropped: tuple[str, ...],
    *,
    replays: bool,
) -> Answered:
    """End an attempt with its whole answer, and return that, as a stream if it `replays`."""
    answered = Answered(candidate=attempt.candidate, dropped=dropped, answer=answer)
    if replays:
        answered = answered.replayed(operation)
    # Not before, because an answer that cannot be replayed is a failure.
    attempt.succeeded(answer.usage)
    return answered
