"""One request to one provider: a whole answer or a stream, under its deadlines.

The core, not the adapter, decides whether an answer is complete: a stream is, once every choice that it began has its
finish_reason; a missing `[DONE]` alone is no fault.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TypeVar

import msgspec

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage
from llms_core.contracts.request import ChatCall
from llms_core.contracts.streamed import as_chunks
from llms_core.deadline import Deadline
from llms_core.errors import ErrorKind, PluginError, ProviderError
from llms_core.provider import ChunkTranslator, HttpAdapter, UpstreamRequest
from llms_core.upstream.aws_event_stream import EventStreamMessages
from llms_core.upstream.events import Lines, ServerSentEvents
from llms_core.upstream.transport import Answer, Engine

T = TypeVar("T")

_READERS: dict[str, type[ServerSentEvents | Lines | EventStreamMessages]] = {
    "sse": ServerSentEvents,
    "ndjson": Lines,
    "aws": EventStreamMessages,
}
_LARGEST_ERROR = 256 * 1024
_GRACE = 5.0  # seconds that a whole answer waits for the usage and the end that should follow it, a fault for its body
_DRAIN = 0.5
_USAGE = (Usage, type(None))


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one attempt, in seconds, and the largest answer in bytes."""

    connect: float
    first_token: float
    idle: float
    total: float
    largest: int


async def whole(
    engine: Engine, adapter: HttpAdapter, call: ChatCall, request: UpstreamRequest, limits: Limits
) -> Completion:
    """The provider's whole answer. Raises ProviderError.

    A model may think for minutes before it sends a byte: until the head is there only `total` counts.
    """
    deadline = Deadline()
    end = asyncio.get_running_loop().time() + limits.total
    try:
        with deadline.at(end):
            answer = await engine.send(request, limits.connect)
        try:
            if not 200 <= answer.status < 300:
                raise await _refusal(adapter, answer, limits, deadline, end)
            body = await _read(answer, limits.largest, limits.idle, deadline, end)
        finally:
            await answer.aclose()
    except TimeoutError:
        raise ProviderError(ErrorKind.TIMEOUT, f"No whole answer within {limits.total:g} s") from None
    finally:
        deadline.close()
    return _completion(adapter, call, body)


async def stream(
    engine: Engine, adapter: HttpAdapter, call: ChatCall, request: UpstreamRequest, limits: Limits
) -> ChunkStream:
    """Open a stream. Raises ProviderError. The stream has to be closed."""
    deadline = Deadline()
    now = asyncio.get_running_loop().time()
    end, first = now + limits.total, now + min(limits.first_token, limits.total)
    try:
        with deadline.at(first):
            answer = await engine.send(request, limits.connect)
        try:
            if not 200 <= answer.status < 300:
                raise await _refusal(adapter, answer, limits, deadline, first)
            chunks = ChunkStream(answer, adapter, call, limits, deadline, first, end)
            await chunks.begin()
        except BaseException:
            await answer.aclose()
            raise
    except BaseException as error:
        deadline.close()
        if isinstance(error, TimeoutError):
            raise ProviderError(ErrorKind.TIMEOUT, f"No answer within {limits.first_token:g} s") from None
        raise
    return chunks


class ChunkStream:
    """The chunks of one stream. Until one bears content `first_token` holds, from then on `idle` between any two
    reads, comments included. `over`: what was read last is the end of a complete answer.
    """

    def __init__(
        self,
        answer: Answer,
        adapter: HttpAdapter,
        call: ChatCall,
        limits: Limits,
        deadline: Deadline,
        first: float,
        end: float,
    ):
        self.over = False
        self._answer, self._adapter, self._call, self._limits = answer, adapter, call, limits
        self._deadline, self._first, self._end = deadline, first, end
        self._clock = asyncio.get_running_loop().time
        self._grace: float | None = None
        self._progress = Progress(adapter.chunks(call), call.request.n or 1)
        self._whole: Completion | None = None

    async def begin(self) -> None:
        """Some servers answer with a whole body where a stream was asked for: it is read here."""
        if _is_json(self._answer, self._progress.translator):
            limits = self._limits
            body = await _read(self._answer, limits.largest, limits.idle, self._deadline, self._first)
            self._whole = _completion(self._adapter, self._call, body)

    async def read(self) -> list[Chunk]:
        """The chunks that arrive next, those of one read together; not to be called once `over`.

        Raises ProviderError: then what was read so far is not the whole answer.
        """
        if self._whole is not None:
            self.over = True
            return as_chunks(self._whole)
        progress = self._progress
        while True:
            if progress.failure is not None:
                raise progress.failure
            batch = progress.feed(await self._piece())
            if progress.over and progress.failure is None:
                if not progress.complete:
                    progress.failure = _incomplete()
                else:
                    self.over = True
                    return [*batch, *progress.rest()]
            if batch:
                return batch

    async def aclose(self) -> None:
        """After a complete answer its last bytes are read, briefly, so that the connection can serve again."""
        try:
            if self.over:
                with self._deadline.at(self._clock() + _DRAIN):
                    while await self._answer.read():
                        pass
        except (TimeoutError, ProviderError):
            pass
        finally:
            self._deadline.close()
            await self._answer.aclose()

    async def _piece(self) -> bytes:
        """The next bytes; none where the stream has ended, or need not be waited for any longer."""
        progress = self._progress
        limit = self._first
        if progress.complete:
            self._grace = self._grace or min(self._end, self._clock() + _GRACE)
            limit = self._grace
        elif progress.content:
            limit = self._clock() + self._limits.idle
            if limit > self._end:
                limit = self._end
        try:
            with self._deadline.at(limit):
                return await self._answer.read()
        except TimeoutError:
            if not progress.complete:
                raise _too_slow(progress.content, self._limits, self._clock() >= self._end) from None
        except ProviderError:
            if not progress.complete:
                raise
        return b""


async def _refusal(
    adapter: HttpAdapter, answer: Answer, limits: Limits, deadline: Deadline, end: float
) -> ProviderError:
    """What an answer whose head does not say success means."""
    try:
        body = await _read(answer, _LARGEST_ERROR, min(limits.idle, _GRACE), deadline, end, cut=True)
    except (ProviderError, TimeoutError):
        body = b""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return must_be(ProviderError, adapter.error(answer.status, headers, body), "error")


def _completion(adapter: HttpAdapter, call: ChatCall, body: bytes) -> Completion:
    completion = adapter.completion(call, body)
    if type(completion) is not Completion or type(completion.data) is not bytes or type(completion.usage) not in _USAGE:
        must_be(Completion, completion, "completion")
        must_be(bytes, completion.data, "completion", "data of a Completion")
        must_be(_USAGE, completion.usage, "completion", "usage of a Completion")
    return completion


async def _read(
    answer: Answer, largest: int, idle: float, deadline: Deadline, end: float, *, cut: bool = False
) -> bytes:
    """The body to its end. With `cut`, what is over `largest` is left out instead of being an error.

    Raises ProviderError, for a pause of `idle` seconds too; TimeoutError at `end`.
    """
    pieces: list[bytes] = []
    size, clock = 0, asyncio.get_running_loop().time
    while True:
        limit = clock() + idle
        try:
            with deadline.at(min(limit, end)):
                piece = await answer.read()
        except TimeoutError:
            if limit >= end:
                raise
            raise ProviderError(ErrorKind.TIMEOUT, f"The answer stalled for {idle:g} s") from None
        if not piece:
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.append(piece)
        size += len(piece)
        if size > largest:
            if cut:
                return b"".join(pieces)
            raise ProviderError(ErrorKind.BAD_RESPONSE, f"The answer has over {largest} bytes")


def must_be(kind: type[T] | tuple[type[T], ...], given: object, function: str, what: str = "") -> T:
    """What an adapter's function gave: an author may not have run a type checker.

    Raises PluginError, which the router makes a failure of this attempt alone.
    """
    if isinstance(given, kind):
        return given
    if inspect.iscoroutine(given):
        given.close()  # async by mistake; nobody will await it
    due = what or (kind.__name__ if isinstance(kind, type) else "")
    raise PluginError(f"`{function}` gave a {type(given).__name__} as {due}")


class Progress:
    """What is known of a stream so far.

    Ends of choices and usage are held until the stream's own end: providers repeat them (OpenRouter), count usage up
    in every chunk (Perplexity), or send content after the finish_reason (Baseten).
    """

    def __init__(self, translator: ChunkTranslator, choices: int = 1):
        self.translator = translator
        self._choices = choices
        self._events = _READERS[translator.framing]()
        self._open: set[int] = set()
        self._ended: set[int] = set()
        self._ends: list[Chunk] = []
        self._usage: Chunk | None = None
        self.content = self.over = False
        self.failure: ProviderError | None = None

    @property
    def complete(self) -> bool:
        """Every choice that was begun has its finish_reason; all that were asked for have, or `[DONE]` was said."""
        return not self._open and len(self._ended) >= self._choices

    def feed(self, piece: bytes) -> list[Chunk]:
        """The chunks that a piece completes; an empty piece is the stream's end."""
        batch: list[Chunk] = []
        translate = self.translator.feed
        try:
            for event, data in self._events.feed(piece) if piece else self._events.end():
                if data == b"[DONE]":
                    self.over, self._choices = True, 1
                    break
                for chunk in translate(event, data):
                    if type(chunk) is not Chunk or type(chunk.data) is not bytes:
                        must_be(bytes, must_be(Chunk, chunk, "feed").data, "feed", "data of a Chunk")
                    self._note(chunk, batch)
        except ProviderError as error:
            self.over = True
            # What follows a whole answer cannot spoil it.
            self.failure = None if self.complete else error
        self.over = self.over or not piece
        return batch

    def rest(self) -> list[Chunk]:
        """What was held back, once the answer is complete."""
        return self._ends if self._usage is None else [*self._ends, self._usage]

    def _note(self, chunk: Chunk, batch: list[Chunk]) -> None:
        if chunk.usage:
            self._usage = chunk
            return
        if chunk.content:
            self.content = True
        if not chunk.ended and not self._ended and self._open.issuperset(chunk.begun):  # as nearly all are
            batch.append(chunk)
            return
        for index in chunk.begun:
            if index not in self._ended:
                self._open.add(index)
        if chunk.ended:
            if chunk.content or not self._ended.issuperset(chunk.ended):
                self._ends.append(chunk)
            self._ended.update(chunk.ended)
            self._open.difference_update(chunk.ended)
        elif not self._ended:
            batch.append(chunk)
        elif chunk.content and self._ended.issuperset(chunk.begun) and any(end.content for end in self._ends):
            self._ends.append(chunk)  # what is held has content too, which comes before this
        elif chunk.content or not self._open.isdisjoint(chunk.begun):
            batch.append(chunk)


def _is_json(answer: Answer, translator: ChunkTranslator) -> bool:
    """Whether a whole JSON body came where a stream of events was asked for, as some servers answer."""
    kind = answer.headers.get("content-type", "").lower()
    if "html" in kind:
        message = f"A page came where a stream was due ({kind})"
        raise ProviderError(ErrorKind.BAD_RESPONSE, message, status=answer.status)
    return translator.framing == "sse" and "json" in kind


def _too_slow(content: bool, limits: Limits, at_end: bool) -> ProviderError:
    if at_end:
        message = f"The answer was not complete within {limits.total:g} s"
    elif content:
        message = f"The stream stalled for {limits.idle:g} s"
    else:
        message = f"No first token within {limits.first_token:g} s"
    return ProviderError(ErrorKind.TIMEOUT, message)


def _incomplete() -> ProviderError:
    return ProviderError(ErrorKind.BAD_RESPONSE, "The stream ended before the answer was complete")
