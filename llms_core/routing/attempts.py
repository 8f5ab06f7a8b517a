"""Candidate 1..n: what moves on, what stops, what is retried.

An attempt is open until its whole answer, or the first chunk that bears content, has been validated: up to there a
failure means the next candidate, from there on it is the client's to know (the commit point).
"""

from __future__ import annotations

import asyncio
import logging
import random
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from llms_core.config.model import Action, Retry, Routing, Timeouts
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage
from llms_core.contracts.request import ChatBody, ChatCall, ChatRequest, with_provider_settings
from llms_core.errors import AllProvidersFailed, ErrorKind, PluginError, ProviderError, RequestError
from llms_core.operations.inlining import Fetch, inline
from llms_core.plugins.host import PluginHost
from llms_core.provider import UpstreamRequest
from llms_core.routing.candidates import Candidate, Catalogue, needs, split, unable_error
from llms_core.routing.circuit import Health, State
from llms_core.routing.strategies import Order
from llms_core.routing.trace import Track
from llms_core.upstream import exchange
from llms_core.upstream.transport import Engine

log = logging.getLogger(__name__)

POLICY: Mapping[ErrorKind, Action] = {
    **dict.fromkeys(ErrorKind, "next"),
    ErrorKind.CONTENT_POLICY: "stop",
    ErrorKind.CANCELLED: "stop",
}
"""What a failure leads to; `[routing.policy]` overrides it."""

_AGAIN = frozenset({ErrorKind.RATE_LIMIT, ErrorKind.OVERLOADED, ErrorKind.NETWORK, ErrorKind.BAD_RESPONSE})
"""Kinds for which the same candidate may be asked again. A time-out is none: it has cost its time already."""


class Served(msgspec.Struct, eq=False):
    """A committed answer: `completion`, or `chunks`, which have to be closed."""

    candidate: Candidate
    dropped: tuple[str, ...]
    completion: Completion | None = None
    chunks: CommittedStream | None = None


class Router(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """What it takes to answer a request; made anew at each change of the configuration, health outlives it.

    `observed`: somebody wants to know of attempts that succeed.
    """

    catalogue: Catalogue
    order: Order
    health: Health
    engine: Engine
    host: PluginHost
    routing: Routing
    timeouts: Timeouts
    largest: int
    fetch: Fetch
    observed: bool = True
    redact: Callable[[str], str] = str
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    draw: Callable[[], float] = random.random

    def candidates(self, request: ChatRequest) -> Sequence[Candidate]:
        """Who is to be tried, in order: the model's own candidates, then those of its fallbacks.

        Raises RequestError where no enabled provider has the model, or none can do what is asked.
        """
        found = self.order(self.catalogue.find(request.model))
        for name in self.routing.fallbacks.get(request.model, ()):
            found = [*found, *self.order(self.catalogue.find(name))]
        if not found:
            raise RequestError.model_not_found(request.model)
        if needed := needs(request):
            found, unable = split(found, needed)
            if not found:
                raise unable_error(request.model, unable)
        return self.host.candidates(request, found)

    async def answer(self, track: Track, body: ChatBody) -> Served:
        """The first answer that a candidate gives.

        Raises RequestError before any attempt, ProviderError where a failure stops the chain, AllProvidersFailed.
        """
        candidates = self._awake(track, self.candidates(body.view))
        clock = asyncio.get_running_loop().time
        deadline = clock() + self.timeouts.total
        errors: list[ProviderError] = []
        for candidate in candidates:
            retries = candidate.provider.provider.retries
            if candidate is candidates[-1]:
                retries = max(retries, self.routing.retry.attempts)
            for turn in range(retries + 1):
                if (remaining := deadline - clock()) <= 0:
                    raise AllProvidersFailed(body.view.model, errors)
                try:
                    return await self._attempt(track, candidate, body, remaining)
                except ProviderError as error:
                    errors.append(error)
                if self._action(errors[-1].kind) == "stop":
                    raise errors[-1]
                wait = self._wait(errors[-1], turn)
                if turn == retries or wait is None or wait >= deadline - clock():
                    break
                track.waits()
                await self.sleep(wait)
                track.answers()
        raise AllProvidersFailed(body.view.model, errors)

    def _action(self, kind: ErrorKind) -> Action:
        return self.routing.policy.get(kind) or POLICY[kind]

    def _wait(self, error: ProviderError, turn: int) -> float | None:
        return pause(self.routing.retry, error, turn, self.draw)

    def _awake(self, track: Track, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """Candidates whose circuit lets a request through; where none does, the first is tried all the same."""
        awake = [candidate for candidate in candidates if self.health.allows(self._state(candidate))]
        if len(awake) == len(candidates):
            return candidates
        awake = awake or list(candidates[:1])
        for candidate in candidates:
            if candidate not in awake:
                track.skipped(candidate.provider.id)
        return awake

    def _state(self, candidate: Candidate) -> State:
        return self.health.state(candidate.provider.id, candidate.model.upstream)

    def _limits(self, candidate: Candidate, remaining: float) -> exchange.Limits:
        ours, theirs = self.timeouts, self.timeouts.provider.get(candidate.provider.id)
        if theirs is None:
            return exchange.Limits(
                connect=ours.connect,
                first_token=ours.first_token,
                idle=ours.idle,
                total=remaining,
                largest=self.largest,
            )
        return exchange.Limits(
            connect=theirs.connect or ours.connect,
            first_token=theirs.first_token or ours.first_token,
            idle=theirs.idle or ours.idle,
            total=min(remaining, theirs.total or remaining),
            largest=self.largest,
        )

    async def _attempt(self, track: Track, candidate: Candidate, body: ChatBody, remaining: float) -> Served:
        attempt = _Attempt(self, track, candidate)
        limits = self._limits(candidate, remaining)
        try:
            call = _call(track, candidate, body)
            track.waits()
            if candidate.prepare is not None or candidate.inlines:
                call = await self._ready(candidate, call, limits)
            outgoing = _outgoing(candidate, call)
            if call.stream:
                return await self._commit(attempt, call, outgoing, limits)
            completion = await exchange.whole(self.engine, candidate.adapter, call, outgoing, limits)
        except BaseException as error:
            raise attempt.failed(error) from None
        attempt.succeeded(completion.usage)
        return Served(candidate, outgoing.dropped, completion=completion)

    async def _ready(self, candidate: Candidate, call: ChatCall, limits: exchange.Limits) -> ChatCall:
        """Make the provider ready, and fetch what it wants as bytes."""
        try:
            async with asyncio.timeout(min(limits.first_token, limits.total)):
                if candidate.prepare is not None:
                    await candidate.prepare()
                if candidate.inlines:
                    body = await inline(call.body, candidate.inlines, self.fetch)
                    call = msgspec.structs.replace(call, body=body)
        except TimeoutError:
            raise ProviderError(ErrorKind.TIMEOUT, "The provider could not be made ready in time") from None
        return call

    async def _commit(
        self, attempt: _Attempt, call: ChatCall, outgoing: UpstreamRequest, limits: exchange.Limits
    ) -> Served:
        """Hold a stream's chunks back until one bears content."""
        stream = await exchange.stream(self.engine, attempt.candidate.adapter, call, outgoing, limits)
        held: list[Chunk] = []
        try:
            while not stream.over and not any(chunk.content for chunk in held):
                held += await stream.read()
        except BaseException:
            await stream.aclose()
            raise
        attempt.first_token()
        return Served(attempt.candidate, outgoing.dropped, chunks=CommittedStream(attempt, held, stream))


class _Attempt:
    """One attempt from its begin to its one record."""

    __slots__ = ("_began", "_clock", "_first", "_router", "_state", "_track", "candidate")

    def __init__(self, router: Router, track: Track, candidate: Candidate):
        self.candidate = candidate
        self._router, self._track = router, track
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()
        self._first: float | None = None
        self._state = router.health.state(candidate.provider.id, candidate.model.upstream)
        router.health.begin(self._state)

    def first_token(self) -> float:
        """Seconds until there was something for the client."""
        self._first = first = self._clock() - self._began
        self._track.answers()
        return first

    def succeeded(self, usage: Usage | None) -> None:
        first = self.first_token() if self._first is None else self._first
        self._router.health.succeeded(self._state, first)
        self._finish(None, usage)

    def failed(self, error: BaseException) -> BaseException:
        """Record a failure; gives the exception to raise. What is no ProviderError is a fault of the adapter's."""
        self._track.answers()
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            self._router.health.gave_up(self._state)
            self._finish(ProviderError(ErrorKind.CANCELLED, "The client went away, or the server stops"), None)
            return error
        if isinstance(error, Exception | SystemExit) and not isinstance(error, ProviderError | RequestError):
            spec = self.candidate.provider.provider.spec
            text = self._router.redact("".join(traceback.format_exception(error)))
            log.error("the adapter '%s' of %s failed: %s", spec.name, self._router.host.origin(spec), text)
            why = str(error) if isinstance(error, PluginError) else type(error).__name__
            error = ProviderError(ErrorKind.BAD_RESPONSE, f"The adapter '{spec.name}' failed: {why}")
        if isinstance(error, ProviderError):
            error.message = self._router.redact(error.message)
            self._router.health.failed(self._state, error)
            self._finish(error, None)
        else:
            self._router.health.gave_up(self._state)
        return error

    def _finish(self, error: ProviderError | None, usage: Usage | None) -> None:
        if error is None and not self._router.observed:
            return
        host, duration = self._router.host, self._clock() - self._began
        record = self._track.record(self.candidate, error, duration=duration, first_token=self._first, usage=usage)
        if error is not None and error.kind is not ErrorKind.CANCELLED:
            log.warning(
                "%s: %s of '%s' failed: %s (%s)",
                record.request_id, record.provider, record.model, error.message, error.kind.value,
            )  # fmt: skip
        if host.observes_attempts:
            host.attempt_finished(record)


class CommittedStream:
    """What was held of a stream, and the rest as it comes. The attempt is recorded at its end, whichever way it ends.

    `over`: what was read last is the end of a complete answer.
    """

    def __init__(self, attempt: _Attempt, held: list[Chunk], stream: exchange.ChunkStream):
        self._attempt, self._held, self._stream = attempt, held, stream
        self._recorded = False
        self.over = False

    async def read(self) -> list[Chunk]:
        """The next chunks. Raises ProviderError where the stream breaks."""
        batch = self._held
        if batch:
            self._held = []
        else:
            try:
                batch = await self._stream.read()
            except BaseException as error:
                self._recorded = True
                raise self._attempt.failed(error) from None
        self.over = self._stream.over
        if self.over:
            self._recorded = True
            self._attempt.succeeded(_usage(batch[-1]))
        return batch

    async def aclose(self) -> None:
        """Let the upstream go; a stream that was not read to its end counts as cancelled."""
        if not self._recorded:
            self._recorded = True
            self._attempt.failed(GeneratorExit())
        await self._stream.aclose()


class _UsageView(msgspec.Struct):
    usage: Usage | None = None


_usage_view = msgspec.json.Decoder(_UsageView)


def _usage(last: Chunk) -> Usage | None:
    try:
        return _usage_view.decode(last.data).usage if last.usage else None
    except msgspec.ValidationError:
        return None


def _outgoing(candidate: Candidate, call: ChatCall) -> UpstreamRequest:
    """What an adapter wants sent. Raises PluginError where it is anything but that."""
    request = candidate.adapter.request(call)
    if (
        type(request) is UpstreamRequest
        and type(request.url) is str
        and type(request.headers) is dict
        and type(request.content) is bytes
        and request.dropped == ()
    ):
        return request
    exchange.must_be(UpstreamRequest, request, "request")
    exchange.must_be(str, request.url, "request", "url")
    exchange.must_be(dict, request.headers, "request", "headers")
    exchange.must_be(bytes, request.content, "request", "content")
    exchange.must_be(tuple, request.dropped, "request", "dropped")
    for name in request.dropped:
        exchange.must_be(str, name, "request", "one of the dropped")
    return request


def _call(track: Track, candidate: Candidate, body: ChatBody) -> ChatCall:
    """The request for one candidate alone: nothing of it reaches the next (SR-075)."""
    settings = candidate.provider.provider.settings
    if settings.defaults or settings.force:
        body = with_provider_settings(body, settings.defaults, settings.force)
    return ChatCall(
        body=body,
        upstream_model=candidate.model.upstream,
        client_model=candidate.name,
        id=f"chatcmpl-{track.id}",
        created=track.created,
    )


def pause(retry: Retry, error: ProviderError, turn: int, draw: Callable[[], float]) -> float | None:
    """Seconds to wait before the same candidate is asked again; None where it is not to be.

    Exponential with full jitter; a Retry-After is waited for in full, or not at all where it is longer than `longest`.
    """
    if error.kind not in _AGAIN:
        return None
    if error.retry_after is not None:
        return error.retry_after + draw() * retry.base if error.retry_after <= retry.longest else None
    return draw() * min(retry.longest, retry.base * 2.0**turn)
