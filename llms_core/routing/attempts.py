"""Tries candidate 1..n until one answers.

An attempt can be replaced by the next until its whole answer, or the first chunk with content, has been validated. This
is the commit point: before it a failure leads to the next candidate, after it the client gets an error. `[routing]
commit = "whole"` moves it to the end of a stream.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from llms_core.candidate import Candidate
from llms_core.contracts.body import RequestBody
from llms_core.contracts.native import TRANSLATED
from llms_core.errors import (
    ERROR_TABLE,
    Action,
    AllProvidersFailed,
    ErrorKind,
    OtherProtocol,
    ProviderError,
)
from llms_core.middleware import Answered
from llms_core.operations import Operation
from llms_core.plugins.host import PluginHost
from llms_core.records import Caller
from llms_core.routing.attempt import Attempt, AttemptObserver
from llms_core.routing.candidates import CannotServe, ModelIndex
from llms_core.routing.circuit import CircuitBreaker
from llms_core.routing.exchanges import Exchanges
from llms_core.routing.limits import attempt_limits
from llms_core.routing.retry import backoff
from llms_core.routing.selection import select
from llms_core.routing.strategies import Order
from llms_core.routing.trace import RequestTrace
from llms_core.upstream.body import AttemptLimits

#: How often a candidate may ask for the same request in another way.
_MAX_PROTOCOL_CHANGES = 3


class Router(Exchanges, frozen=True, eq=False, kw_only=True):
    """Everything that is needed to answer a request.

    A new router is built at each change of the configuration; the circuit breaker outlives it.
    """

    models: ModelIndex
    order: Order
    breaker: CircuitBreaker
    host: PluginHost
    observer: AttemptObserver
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    draw: Callable[[], float] = random.random

    def candidates(
        self, operation: Operation[Any, Any], body: RequestBody[Any], caller: Caller | None = None
    ) -> Sequence[Candidate]:
        """Return the candidates in the order in which they are tried.

        Raises RequestError if no enabled provider has the model, none can do what the request asks for, or a plugin
        refuses the request.
        """
        found = select(self.models, self.order, self.routing, operation, body).candidates
        if not self.host.choosers:
            return found
        # Last: plugins only see candidates that can serve the request.
        return self.host.candidates(body, found, operation.name, caller)

    async def answer(
        self,
        trace: RequestTrace,
        operation: Operation[Any, Any],
        body: RequestBody[Any],
        deadline: float | None = None,
    ) -> Answered:
        """Return the first answer that a candidate gives.

        `deadline` is the event loop's time; by default it is `[timeouts] total` from now.

        Raises RequestError before any attempt, ProviderError if an error stops the chain, AllProvidersFailed if no
        candidate answered.
        """
        if not operation.can_estimate:
            return await self._first_answer(trace, operation, body, deadline)
        try:
            return await self._first_answer(trace, operation, body, deadline)
        except (ProviderError, AllProvidersFailed, CannotServe):
            # The log and the records of the attempts have the reason.
            return Answered(answer=operation.estimate(body))

    async def _first_answer(
        self,
        trace: RequestTrace,
        operation: Operation[Any, Any],
        body: RequestBody[Any],
        deadline: float | None,
    ) -> Answered:
        model = body.model
        candidates = self.candidates(operation, body, trace.caller)
        candidates = self._without_open_circuits(trace, operation, candidates)
        clock = asyncio.get_running_loop().time
        # One deadline for all attempts and pauses: more providers must not mean a longer wait.
        if deadline is None:
            deadline = clock() + self.timeouts.total
        if operation.max_seconds is not None:
            deadline = min(deadline, clock() + operation.max_seconds)
        errors: list[ProviderError] = []
        for position, candidate in enumerate(candidates):
            candidates_left = len(candidates) - position
            retries = candidate.retries
            if candidates_left == 1 and not operation.can_estimate:
                # Only the last candidate is retried by default: trying the next one costs less time than waiting.
                retries = max(retries, self.routing.retry.attempts)
            for turn in range(retries + 1):
                remaining = deadline - clock()
                if remaining <= 0:
                    raise AllProvidersFailed(model, errors)
                try:
                    limits = self._limits(operation, candidate, body, remaining, candidates_left)
                    return await self._attempt(trace, operation, candidate, body, limits)
                except ProviderError as error:
                    errors.append(error)
                if self._action(errors[-1].kind) == "stop":
                    raise errors[-1]
                if not operation.can_repeat(body):
                    raise _cannot_be_repeated(errors[-1])
                pause = backoff(self.routing.retry, errors[-1], turn, self.draw)
                # A pause that outlasts the deadline would only delay the next candidate.
                if turn == retries or pause is None or pause >= deadline - clock():
                    break
                trace.upstream_started()
                await self.sleep(pause)
                trace.upstream_ended()
        raise AllProvidersFailed(model, errors)

    def _action(self, kind: ErrorKind) -> Action:
        return self.routing.policy.get(kind) or ERROR_TABLE[kind].action

    def _without_open_circuits(
        self, trace: RequestTrace, operation: Operation[Any, Any], candidates: Sequence[Candidate]
    ) -> Sequence[Candidate]:
        """Skip candidates with an open circuit; if all are open, the first one is tried anyway, or an estimate made."""
        available = [
            candidate for candidate in candidates if self.breaker.allows(candidate.circuit)
        ]
        if len(available) == len(candidates):
            return candidates
        if not available and not operation.can_estimate:
            available = list(candidates[:1])
        for candidate in candidates:
            if candidate not in available:
                trace.skipped(candidate.provider_id)
        return available

    def _limits(
        self,
        operation: Operation[Any, Any],
        candidate: Candidate,
        body: RequestBody[Any],
        remaining: float,
        candidates_left: int,
    ) -> AttemptLimits:
        return attempt_limits(
            self.timeouts,
            candidate.provider_id,
            remaining,
            candidates_left,
            whole=not body.stream
            or self.routing.commit == "whole"
            or _replays(operation, candidate, body),
            max_bytes=self.max_bytes,
        )

    async def _attempt(
        self,
        trace: RequestTrace,
        operation: Operation[Any, Any],
        candidate: Candidate,
        body: RequestBody[Any],
        limits: AttemptLimits,
    ) -> Answered:
        """Try one candidate; again at once if it wants the request in another protocol, or with another token.

        Raises ProviderError or RequestError.
        """
        clock = asyncio.get_running_loop().time
        started = clock()
        protocol = self.breaker.protocol(candidate.circuit)
        learned = ""
        changes = 0
        may_renew = True
        while True:
            try:
                answer = await self._attempt_once(
                    trace, operation, candidate, body, limits, protocol, may_renew=may_renew
                )
                break
            except ProviderError as error:
                if error.again is None or changes == _MAX_PROTOCOL_CHANGES:
                    raise
                if error.kind is ErrorKind.AUTH:
                    may_renew = False
                protocol = error.again.name
                if error.again.remember:
                    learned = protocol
            changes += 1
            limits = limits.after(clock() - started)
            started = clock()
        # Not before it has proved to be right.
        if learned:
            self.breaker.learn_protocol(candidate.circuit, learned)
        return answer

    async def _attempt_once(
        self,
        trace: RequestTrace,
        operation: Operation[Any, Any],
        candidate: Candidate,
        body: RequestBody[Any],
        limits: AttemptLimits,
        protocol: str,
        *,
        may_renew: bool,
    ) -> Answered:
        """Make one attempt, up to the commit point. Raises ProviderError or RequestError."""
        if TRANSLATED in protocol.split():
            body = body.translated()
        with Attempt(self.observer, trace, candidate) as attempt:
            replays = candidate.replays and _replays(operation, candidate, body)
            if replays:
                body = operation.as_whole(body)
            call = operation.call(body, candidate, trace.id, trace.created)
            if protocol:
                call = operation.in_protocol(call, protocol)
            try:
                return await self.exchange(
                    trace, operation, candidate, call, body, limits, attempt, replays=replays
                )
            except ProviderError as error:
                error.again = operation.other_protocol(candidate.adapter, call, error)
                if (
                    error.again is None
                    and may_renew
                    and self._is_renewed(operation, body, error, attempt)
                ):
                    error.again = OtherProtocol(protocol, remember=False)
                raise

    def _is_renewed(
        self,
        operation: Operation[Any, Any],
        body: RequestBody[Any],
        error: ProviderError,
        attempt: Attempt,
    ) -> bool:
        """Whether the request is repeated with another preparation: the provider did not accept that of an attempt."""
        preparation = attempt.candidate.preparation
        if error.kind is not ErrorKind.AUTH or preparation is None or attempt.prepared is None:
            return False
        return operation.can_repeat(body) and preparation.rejected(attempt.prepared)


def _replays(operation: Operation[Any, Any], candidate: Candidate, body: RequestBody[Any]) -> bool:
    """Whether the client gets a whole answer of this candidate as a stream."""
    return body.stream and candidate.replays and operation.can_replay


def _cannot_be_repeated(error: ProviderError) -> ProviderError:
    """Add to an error that no other provider was tried: a part of the request is not there any more."""
    error.message += (
        ". Nothing else was tried, because the upload does not fit [server] replay_buffer "
        "and could not be sent again"
    )
    return error
