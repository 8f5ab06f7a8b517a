"""A provider's responses played to an adapter in memory.

The core's own exchange reads them, so what comes out is what the gateway would make of them. There are no sockets, and
no clock runs unless a response stalls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import msgspec

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion
from llms_core.contracts.request import ChatCall
from llms_core.errors import ErrorKind, ProviderError
from llms_core.operations.chat import CHAT
from llms_core.provider import Prepares, UpstreamRequest
from llms_core.testing.framing import MEDIA
from llms_core.testing.subject import Subject
from llms_core.upstream import exchange
from llms_core.upstream.answer_stream import NoOutcome
from llms_core.upstream.body import AttemptLimits
from llms_core.upstream.provider_http import ProviderHttp
from llms_core.upstream.stream_decoder import StreamDecoder

JSON = "application/json"

Ending: TypeAlias = Literal["end", "break", "stall"]

NORMAL_LIMITS = AttemptLimits(connect=10, first_token=30, idle=30, total=60, max_bytes=2**26)

# Only a response that stalls is ever waited for, so a slow machine cannot make these limits expire by accident.
SHORT_LIMITS = msgspec.structs.replace(NORMAL_LIMITS, first_token=0.005, idle=0.005)
"""Limits for streams that stall."""


@dataclass(frozen=True)
class Response:
    """A provider's HTTP response."""

    #: The body in the pieces in which it arrives.
    pieces: Sequence[bytes]
    #: What happens after the last piece: the body ends, the connection breaks, or nothing more arrives.
    then: Ending = "end"
    status: int = 200
    media: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a response became: the completion or the chunks so far, and the error that ended it."""

    completion: Completion | None = None
    chunks: Sequence[Chunk] = ()
    error: ProviderError | None = None


def stream_response(subject: Subject, *pieces: bytes, then: Ending = "end") -> Response:
    """Return a response with the Content-Type of the provider's streams."""
    return Response(pieces, then, media=MEDIA[subject.wire.framing])


def play_completion(subject: Subject, response: Response, **members: Any) -> Outcome:
    """Play a response to a request without streaming; `members` are further members of the request."""
    return asyncio.run(_play_completion(subject, response, members))


def play_preparation(subject: Subject, response: Response) -> float | None:
    """Run the adapter's `prepare`, whose requests all get this response, and return what it returns."""
    adapter = subject.adapter
    assert isinstance(adapter, Prepares)

    async def run() -> float | None:
        return await adapter.prepare(
            ProviderHttp(_Transport(response), NORMAL_LIMITS, prepares=True)
        )

    return asyncio.run(run())


def play_stream(
    subject: Subject, response: Response, limits: AttemptLimits = NORMAL_LIMITS, **members: Any
) -> Outcome:
    """Play a response to a request for a stream."""
    return play_streams(subject, [response], limits, **members)[0]


def play_streams(
    subject: Subject,
    responses: Iterable[Response],
    limits: AttemptLimits = NORMAL_LIMITS,
    **members: Any,
) -> list[Outcome]:
    """Play many responses to the same request for a stream, at the same time: those that stall wait together."""
    call = subject.call(stream=True, **members)
    request = subject.adapter.request(call)

    async def play() -> list[Outcome]:
        streams = [_play_stream(subject, response, limits, call, request) for response in responses]
        return await asyncio.gather(*streams)

    return asyncio.run(play())


def begin_stream(subject: Subject, **members: Any) -> StreamDecoder:
    """Return the core's decoder of one stream, with a new translator; its `feed` takes the bytes."""
    return decode_stream(subject, subject.call(stream=True, **members))


def decode_stream(subject: Subject, call: ChatCall) -> StreamDecoder:
    """Return the core's decoder of the stream that answers a call."""
    return StreamDecoder(CHAT.stream(subject.adapter, call))


def feed_streams(subject: Subject, streams: Iterable[Sequence[bytes]]) -> list[Outcome]:
    """Feed many streams directly to the core's stream reader.

    This is much faster than `play_streams`, but the streams can neither stall nor break.
    """
    call = subject.call(stream=True)
    subject.adapter.request(call)
    return [_feed_stream(subject, call, pieces) for pieces in streams]


def distinct(outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Leave out each outcome whose chunks, and whether there is an error, are the same as those of the one before.

    Streams that are cut or split at each of their bytes have few different outcomes, and to check one takes longer
    than to feed it.
    """
    before: tuple[Sequence[Chunk], bool] | None = None
    for outcome in outcomes:
        current = (outcome.chunks, outcome.error is not None)
        if current != before:
            yield outcome
        before = current


def _feed_stream(subject: Subject, call: ChatCall, pieces: Sequence[bytes]) -> Outcome:
    decoder = decode_stream(subject, call)
    reader = decoder.reader
    chunks: list[Chunk] = []
    non_empty = [piece for piece in pieces if piece]
    # An empty piece marks the end of the stream.
    for piece in (*non_empty, b""):
        if not reader.finished:
            chunks += decoder.feed(piece)
    if reader.failure is not None:
        return Outcome(chunks=chunks, error=reader.failure)
    if not reader.complete:
        return Outcome(
            chunks=chunks, error=ProviderError(ErrorKind.BAD_RESPONSE, "The stream is not complete")
        )
    return Outcome(chunks=[*chunks, *reader.held_back()])


async def _play_completion(
    subject: Subject, response: Response, members: Mapping[str, Any]
) -> Outcome:
    call = subject.call(**members)
    request = subject.adapter.request(call)
    try:
        answer = await exchange.whole_answer(
            _Transport(response), CHAT, subject.adapter, call, request, NORMAL_LIMITS
        )
    except ProviderError as error:
        return Outcome(error=error)
    return Outcome(Completion(answer.data, answer.usage))


async def _play_stream(
    subject: Subject,
    response: Response,
    limits: AttemptLimits,
    call: ChatCall,
    request: UpstreamRequest,
) -> Outcome:
    chunks: list[Chunk] = []
    try:
        opened = await exchange.open_stream(
            _Transport(response), CHAT, subject.adapter, call, request, limits, NoOutcome()
        )
        try:
            while not opened.is_complete:
                chunks += await opened.read()
        finally:
            await opened.aclose()
    except ProviderError as error:
        return Outcome(chunks=chunks, error=error)
    return Outcome(chunks=chunks)


class _Transport:
    """An HTTP transport that gives the same response to every request."""

    def __init__(self, response: Response):
        self._response = response

    async def send(self, request: UpstreamRequest, connect: float) -> _HttpResponse:
        return _HttpResponse(self._response)

    async def aclose(self) -> None:
        pass


class _HttpResponse:
    """A Response as the core reads it from its transport."""

    exhausted = False

    def __init__(self, response: Response):
        self.status = response.status
        self.headers: Mapping[str, str] = {"content-type": response.media, **response.headers}
        # An empty piece would mean the end of the body.
        self._pieces = iter([piece for piece in response.pieces if piece])
        self._then = response.then

    async def read(self) -> bytes:
        piece = next(self._pieces, b"")
        if piece:
            return piece
        if self._then == "stall":
            await asyncio.Event().wait()
        if self._then == "break":
            raise ProviderError(ErrorKind.NETWORK, "The connection broke: the suite broke it")
        return b""

    async def aclose(self) -> None:
        pass
