"""A provider's streamed answer, from its first byte to the client's last, within the attempt's time limits."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any, Protocol

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Usage
from llms_core.contracts.forwarding import ForwardedAnswer
from llms_core.deadline import Deadline
from llms_core.errors import ErrorKind, ProviderError
from llms_core.operations import Answer, Operation
from llms_core.operations.stream import ChunkReader, StreamReader
from llms_core.upstream.answer_format import Format, beginning, detect_format, format_of_type
from llms_core.upstream.body import GRACE_SECONDS, AttemptLimits, read_body, seconds_of, too_large
from llms_core.upstream.stream_decoder import StreamDecoder
from llms_core.upstream.transport import HttpResponse

log = logging.getLogger(__name__)

#: Seconds for reading the last bytes after a complete stream, so that its connection can be reused.
_DRAIN_SECONDS = 0.5


class Source(Protocol):
    """Where a stream comes from: a response, whose pieces are bytes, or an adapter that yields chunks."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields, to be looked up by lower-case names."""

    async def read(self) -> Any:
        """Return the next piece as soon as it arrives; an empty one at the end. Raises ProviderError."""

    async def aclose(self) -> None:
        """Release the source."""


class Decoder(Protocol):
    """Turns the pieces of a source into chunks."""

    @property
    def reader(self) -> ChunkReader:
        """The progress of the answer."""

    def feed(self, piece: Any) -> list[Chunk]:
        """Return the chunks that a piece completes; an empty piece is the end. The reader holds an error."""


class Outcome(Protocol):
    """Receives the end of a stream, exactly once. `chunks` is the number of chunks with content."""

    def succeeded(self, usage: Usage | None, *, chunks: int = 0) -> None:
        """The answer is complete and has been handed on."""

    def failed(
        self, error: BaseException, usage: Usage | None = None, *, chunks: int = 0
    ) -> BaseException:
        """The stream broke or was abandoned; returns the exception to raise.

        `usage` is what the provider had reported until then.
        """


class NoOutcome:
    """Ignores how a stream ends, for exchanges outside of routing."""

    def succeeded(self, usage: Usage | None, *, chunks: int = 0) -> None:
        """Do nothing."""

    def failed(
        self, error: BaseException, usage: Usage | None = None, *, chunks: int = 0
    ) -> BaseException:
        """Return the error as it is."""
        return error


class StreamState(Enum):
    """The state of an `AnswerStream`. All states but OPEN are final."""

    OPEN = auto()
    #: The last chunk of a complete answer has been read.
    COMPLETE = auto()
    #: The stream broke.
    FAILED = auto()
    #: The stream was closed before its end.
    ABANDONED = auto()


class AnswerStream:
    """A provider's streamed answer, from the first byte to the client's last.

    Until a chunk has content, `limits.first_token` applies; after that `limits.idle` between any two reads, comments
    included, and `limits.content` between any two chunks with content. `outcome` receives the end of the stream,
    exactly once.
    """

    def __init__(
        self,
        source: Source,
        operation: Operation[Any, Any],
        decoder: Decoder,
        limits: AttemptLimits,
        deadline: Deadline,
        first_token_deadline: float,
        total_deadline: float,
        outcome: Outcome,
    ):
        self.state = StreamState.OPEN
        #: The type of the answer, for operations that read it; empty if the provider did not state any.
        self.content_type = (
            source.headers.get("content-type", "") if operation.reads_content_type else ""
        )
        self._source = source
        self._operation = operation
        self._reader = decoder.reader
        self._decoder = decoder
        self._limits = limits
        self._deadline = deadline
        self._first_token_deadline = first_token_deadline
        #: When the next content must have arrived, once there has been any.
        self._content_deadline = math.inf
        self._total_deadline = total_deadline
        self._grace_deadline: float | None = None
        self._outcome = outcome
        self._clock = asyncio.get_running_loop().time
        #: The bytes that the format was detected from, to be decoded first.
        self._first = b""
        #: Chunks that were read before the commit point and not handed on yet.
        self._buffer: list[Chunk] = []
        #: Whether the provider has sent a complete answer.
        self._received_all = False
        self._usage: Usage | None = None
        self._is_released = False

    @property
    def is_complete(self) -> bool:
        """Whether the last chunk of a complete answer has been read."""
        return self.state is StreamState.COMPLETE

    async def begin(
        self, response: HttpResponse, reader: StreamReader, read_whole: Callable[[bytes], Answer]
    ) -> None:
        """Read the first bytes, which tell the answer's format; `read_whole` reads the body of a whole answer.

        Raises ProviderError if the stream breaks before, or if it is no answer.
        """
        framing = reader.framing
        answer_format = None
        if self._operation.reads_content_type:
            answer_format = format_of_type(self.content_type, framing)
        first = b""
        while answer_format is None:
            try:
                with self._deadline.at(self._first_token_deadline):
                    piece = await response.read()
            except TimeoutError:
                raise self._timeout_error() from None
            first = beginning(first + piece)
            if not piece:
                message = "The provider answered with nothing instead of a stream"
                raise ProviderError(ErrorKind.BAD_RESPONSE, message, status=response.status)
            answer_format = detect_format(first, framing)
        if answer_format is Format.PAGE:
            content_type = response.headers.get("content-type", "no content-type")
            message = f"The provider answered with a page instead of a stream ({content_type})"
            raise ProviderError(ErrorKind.BAD_RESPONSE, message, status=response.status)
        if answer_format is Format.WHOLE:
            limits = self._limits
            rest = await read_body(
                response, limits.max_bytes, limits.idle, self._deadline, self._first_token_deadline
            )
            self._replay(read_whole(first + rest))
            return
        if answer_format is Format.EVENTS:
            self._decoder = StreamDecoder(reader, "sse")
        self._first = first

    def _replay(self, answer: Answer) -> None:
        """Hand on a complete answer as a stream."""
        self._buffer = list(self._operation.as_chunks(answer))
        if isinstance(answer, ForwardedAnswer):
            self.content_type = answer.content_type
        self._usage = answer.usage
        self._received_all = True

    async def commit(self, *, whole: bool = False) -> None:
        """Buffer chunks until one has content, or all of them: up to this point a failure is invisible to the client.

        Raises ProviderError if the stream breaks before.
        """
        size = 0
        while not self._received_all:
            chunks = await self._receive()
            self._buffer += chunks
            if whole:
                size += sum(len(chunk.data) for chunk in chunks)
                if size > self._limits.max_bytes:
                    raise too_large(self._limits.max_bytes)
            # Content that the reader still holds back does not count: the attempt can fail before it is sent.
            elif any(chunk.content for chunk in chunks):
                return

    async def read(self) -> list[Chunk]:
        """Return the next chunks, those that arrived together; not to be called after the stream has ended.

        Raises ProviderError: what has been read so far is not a complete answer.
        """
        chunks = self._buffer
        # A complete answer may have no chunks left.
        if chunks or self._received_all:
            self._buffer = []
        else:
            try:
                chunks = await self._receive()
            except BaseException as error:
                self.state = StreamState.FAILED
                raise self._failed(error) from None
        if self._received_all:
            self.state = StreamState.COMPLETE
            self._outcome.succeeded(self._usage, chunks=self._reader.content_chunks)
        return chunks

    async def aclose(self) -> None:
        """Release the connection; a stream that was not read to its end counts as abandoned."""
        if self._is_released:
            return
        if self.state is StreamState.OPEN:
            self.state = StreamState.ABANDONED
            self._failed(asyncio.CancelledError())
        await self.release()

    def _failed(self, error: BaseException) -> BaseException:
        reported = self._reader.usage_chunk
        # Providers that count in every chunk charge for what was read of a broken stream.
        usage = self._usage if reported is None else self._operation.usage(reported)
        return self._outcome.failed(error, usage, chunks=self._reader.content_chunks)

    async def release(self) -> None:
        """Release the connection without reporting an outcome, for a stream that failed before it was committed."""
        self._is_released = True
        try:
            if self._received_all:
                with self._deadline.at(self._clock() + _DRAIN_SECONDS):
                    while await self._source.read():
                        pass
        except Exception as error:
            # The answer is complete; only the connection is not reused.
            log.debug("after a complete answer: %r", error)
        finally:
            self._deadline.close()
            await self._source.aclose()

    async def _receive(self) -> list[Chunk]:
        """Read from the provider until there is a chunk to hand on, or the end of a complete answer.

        The end of the stream counts as having arrived if the answer is complete and need not be waited for any longer.
        """
        reader = self._reader
        while True:
            if reader.failure is not None:
                raise reader.failure
            piece = self._first
            if piece:
                self._first = b""
            else:
                try:
                    with self._deadline.at(self._next_deadline()):
                        piece = await self._source.read()
                except TimeoutError:
                    if not reader.complete:
                        raise self._timeout_error() from None
                except Exception as error:
                    if not reader.complete:
                        raise
                    log.info("after the end of a complete answer: %r", error)
            chunks = self._decoder.feed(piece)
            if reader.finished and reader.complete:
                self._received_all = True
                if (usage := reader.usage_chunk) is not None:
                    self._usage = self._operation.usage(usage)
                return [*chunks, *reader.held_back()]
            if reader.finished:
                # The chunks before the fault are handed on first; the next read raises.
                reader.fail(
                    ProviderError(
                        ErrorKind.BAD_RESPONSE, "The stream ended before the answer was complete"
                    )
                )
            if chunks:
                return chunks

    def _next_deadline(self) -> float:
        """Return when the next bytes must have arrived."""
        reader = self._reader
        if reader.complete:
            if self._grace_deadline is None:
                self._grace_deadline = min(self._total_deadline, self._clock() + GRACE_SECONDS)
            return self._grace_deadline
        if not reader.has_content:
            return self._first_token_deadline
        now = self._clock()
        if reader.has_new_content:
            reader.has_new_content = False
            self._content_deadline = min(now + self._limits.content, self._total_deadline)
        limit = now + self._limits.idle
        if limit < self._content_deadline:
            return limit
        return self._content_deadline

    def _timeout_error(self) -> ProviderError:
        now = self._clock()
        if now >= self._total_deadline:
            message = f"The answer was not complete within {seconds_of(self._limits.total)}"
        elif not self._reader.has_content:
            message = f"No first token within {seconds_of(self._limits.first_token)}"
        elif now >= self._content_deadline:
            message = f"The stream had no content for {seconds_of(self._limits.content)}"
        else:
            message = f"The stream stalled for {seconds_of(self._limits.idle)}"
        return ProviderError(ErrorKind.TIMEOUT, message)
