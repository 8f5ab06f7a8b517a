"""A provider in memory: the core's own exchange plays an answer to an adapter, without sockets and without clocks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion
from llms_core.contracts.request import ChatCall
from llms_core.errors import ErrorKind, ProviderError
from llms_core.operations.chat import CHAT
from llms_core.provider import UpstreamRequest
from llms_core.testing.framing import MEDIA
from llms_core.testing.subject import Subject
from llms_core.upstream import exchange
from llms_core.upstream.stream_decoder import StreamDecoder

JSON = "application/json"

PATIENT = exchange.AttemptLimits(connect=10, first_token=30, idle=30, total=60, max_bytes=2**26)
HASTY = msgspec.structs.replace(PATIENT, first_token=0.005, idle=0.005)
"""Limits for streams that stall; what does not stall is never waited for, so that no load can make these run out."""


@dataclass(frozen=True)
class Said:
    """An answer: its pieces as the network gives them, and what comes after the last."""

    pieces: Sequence[bytes]
    then: Literal["end", "break", "stall"] = "end"
    status: int = 200
    media: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What came of an answer: the completion or the chunks so far, and the failure that ended it."""

    completion: Completion | None = None
    chunks: Sequence[Chunk] = ()
    error: ProviderError | None = None


def said(subject: Subject, *pieces: bytes, then: Literal["end", "break", "stall"] = "end") -> Said:
    """A stream of the provider's."""
    return Said(pieces, then, media=MEDIA[subject.wire.framing])


def whole(subject: Subject, answer: Said, **members: Any) -> Outcome:
    """What the gateway makes of an answer to a request that asks for no stream."""
    return asyncio.run(_whole(subject, answer, members))


def stream(subject: Subject, answer: Said, limits: exchange.AttemptLimits = PATIENT, **members: Any) -> Outcome:
    """What the gateway makes of an answer to a request that asks for a stream."""
    return streams(subject, [answer], limits, **members)[0]


def streams(
    subject: Subject, answers: Iterable[Said], limits: exchange.AttemptLimits = PATIENT, **members: Any
) -> list[Outcome]:
    """The same, for many answers to one request, one after the other."""

    call = subject.call(stream=True, **members)
    request = subject.adapter.request(call)

    async def play() -> list[Outcome]:
        return [await _stream(subject, answer, limits, call, request) for answer in answers]

    return asyncio.run(play())


def fed(subject: Subject, streams: Iterable[Sequence[bytes]]) -> list[Outcome]:
    """As `streams`, for very many streams that neither stall nor break: straight into the core's reader of them."""
    call = subject.call(stream=True)
    subject.adapter.request(call)
    return [_fed(subject, call, pieces) for pieces in streams]


def _fed(subject: Subject, call: ChatCall, pieces: Sequence[bytes]) -> Outcome:
    decoder = stream_decoder(subject, call)
    reader = decoder.reader
    chunks: list[Chunk] = []
    for piece in (*filter(None, pieces), b""):
        if not reader.finished:
            chunks += decoder.feed(piece)
    if reader.failure is not None:
        return Outcome(chunks=chunks, error=reader.failure)
    if not reader.complete:
        return Outcome(chunks=chunks, error=ProviderError(ErrorKind.BAD_RESPONSE, "The stream is not complete"))
    return Outcome(chunks=[*chunks, *reader.held_back()])


def stream_decoder(subject: Subject, call: ChatCall) -> StreamDecoder:
    """A decoder of one stream, as the gateway uses it."""
    return StreamDecoder(CHAT.stream(subject.adapter, call))


async def _whole(subject: Subject, answer: Said, members: Mapping[str, Any]) -> Outcome:
    call = subject.call(**members)
    request = subject.adapter.request(call)
    try:
        completion = await exchange.whole_answer(_Engine(answer), CHAT, subject.adapter, call, request, PATIENT)
    except ProviderError as error:
        return Outcome(error=error)
    return Outcome(Completion(completion.data, completion.usage))


async def _stream(
    subject: Subject, answer: Said, limits: exchange.AttemptLimits, call: ChatCall, request: UpstreamRequest
) -> Outcome:
    chunks: list[Chunk] = []
    try:
        opened = await exchange.open_stream(
            _Engine(answer), CHAT, subject.adapter, call, request, limits, exchange.NoOutcome()
        )
        try:
            while not opened.is_complete:
                chunks += await opened.read()
        finally:
            await opened.aclose()
    except ProviderError as error:
        return Outcome(chunks=chunks, error=error)
    return Outcome(chunks=chunks)


class _Engine:
    """Gives one answer to whatever is asked."""

    def __init__(self, answer: Said):
        self._answer = answer

    async def send(self, request: UpstreamRequest, connect: float) -> _Answer:
        return _Answer(self._answer)

    async def aclose(self) -> None:
        pass


class _Answer:
    def __init__(self, answer: Said):
        self.status = answer.status
        self.headers: Mapping[str, str] = {"content-type": answer.media, **answer.headers}
        self._pieces, self._then = iter([piece for piece in answer.pieces if piece]), answer.then

    async def read(self) -> bytes:
        piece = next(self._pieces, b"")
        if not piece and self._then == "stall":
            await asyncio.Event().wait()
        if not piece and self._then == "break":
            raise ProviderError(ErrorKind.NETWORK, "The connection broke: the suite broke it")
        return piece

    async def aclose(self) -> None:
        pass
