"""One request to one provider: a whole answer or a stream, within the attempt's time limits.

The core, not the adapter, decides whether an answer is complete.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Protocol

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Usage
from llms_core.contracts.forwarding import ForwardedAnswer
from llms_core.deadline import Deadline
from llms_core.errors import ErrorKind, ProviderError, RequestError
from llms_core.operations import Answer, Operation
from llms_core.operations.stream import StreamReader
from llms_core.provider import UpstreamRequest
from llms_core.upstream.answer_format import Format, beginning, detect_format, format_of_type, read_answer
from llms_core.upstream.body import GRACE_SECONDS, AttemptLimits, read_body, read_refusal, seconds_of, too_large
from llms_core.upstream.stream_decoder import StreamDecoder
from llms_core.upstream.transport import HttpResponse, HttpTransport

#: Seconds for reading the last bytes after a complete stream, so that its connection can be reused.
_DRAIN_SECONDS = 0.5


class Outcome(Protocol):
    """Receives the end of a stream, exactly once."""

    def succeeded(self, usage: Usage | None) -> None:
        """The answer is complete and has been handed on."""

    def failed(self, error: BaseException) -> BaseException:
        """The stream broke or was abandoned; returns the exception to raise."""


class NoOutcome:
    """Ignores how a stream ends, for exchanges outside of routing."""

    def succeeded(self, usage: Usage | None) -> None:
        """Do nothing."""

    def failed(self, error: BaseException) -> BaseException:
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


async def whole_answer(
    transport: HttpTransport,
    operation: Operation[Any, Any],
    adapter: Any,
    call: Any,
    request: UpstreamRequest,
    limits: AttemptLimits,
) -> Answer:
    """Send a request and return the complete answer. Raises ProviderError.

    A model may think for minutes before it sends a byte: only `total` limits the time until the response's head.
    """
    deadline = Deadline()
    end = asyncio.get_running_loop().time() + limits.total
    try:
        with deadline.at(end):
            response = await transport.send(request, limits.connect)
        try:
            if not 200 <= response.status < 300:
                raise await read_refusal(adapter, request, response, limits, deadline, end)
            body = await read_body(response, limits.max_bytes, limits.idle, deadline, end)
        finally:
            await response.aclose()
    except TimeoutError:
        raise _late(request, f"The provider did not answer completely within {seconds_of(limits.total)}") from None
    finally:
        deadline.close()
    return _read(operation, adapter, call, body, response)


def _read(operation: Operation[Any, Any], adapter: Any, call: Any, body: bytes, response: HttpResponse) -> Answer:
    # For all others, the headers are not even decoded.
    if operation.reads_content_type:
        return operation.typed_answer(adapter, call, body, response.headers.get("content-type", ""))
    return read_answer(operation, adapter, call, body)


async def open_stream(
    transport: HttpTransport,
    operation: Operation[Any, Any],
    adapter: Any,
    call: Any,
    request: UpstreamRequest,
    limits: AttemptLimits,
    outcome: Outcome,
) -> AnswerStream:
    """Send a request and return its stream, which must be closed. Raises ProviderError."""
    deadline = Deadline()
    now = asyncio.get_running_loop().time()
    total_deadline = now + limits.total
    first_token_deadline = now + min(limits.first_token, limits.total)
    try:
        with deadline.at(first_token_deadline):
            response = await transport.send(request, limits.connect)
        try:
            if not 200 <= response.status < 300:
                raise await read_refusal(adapter, request, response, limits, deadline, first_token_deadline)
            reader = operation.stream(adapter, call)
            stream = AnswerStream(
                response, operation, reader, limits, deadline, first_token_deadline, total_deadline, outcome
            )
            await stream.begin(lambda body: _read(operation, adapter, call, body, response))
        except BaseException:
            await response.aclose()
            raise
    except BaseException as error:
        deadline.close()
        if isinstance(error, TimeoutError):
            limit = seconds_of(min(limits.first_token, limits.total))
            raise _late(request, f"The provider did not answer within {limit}") from None
        raise
    return stream


def _late(request: UpstreamRequest, message: str) -> ProviderError | RequestError:
    """Return the error for an attempt whose time is over, which may be the client's fault."""
    if request.upload is not None and request.upload.waits_for_client:
        return RequestError("The client took too long to send its form", status=408, code="request_timeout")
    return ProviderError(ErrorKind.TIMEOUT, message)


class AnswerStream:
    """A provider's streamed answer, from the first byte to the client's last.

    Until a chunk has content, `limits.first_token` applies; after that `limits.idle` between any two reads, comments
    included, and `limits.content` between any two chunks with content. `outcome` receives the end of the stream,
    exactly once.
    """

    def __init__(
        self,
        response: HttpResponse,
        operation: Operation[Any, Any],
        reader: StreamReader,
        limits: AttemptLimits,
        deadline: Deadline,
        first_token_deadline: float,
        total_deadline: float,
        outcome: Outcome,
    ):
        self.state = StreamState.OPEN
        #: The type of the answer, for operations that read it; empty if the provider did not state any.
        self.content_type = response.headers.get("content-type", "") if operation.reads_content_type else ""
        self._response = response
        self._operation = operation
        self._reader = reader
        self._decoder = StreamDecoder(reader)
        self._limits = limits
        self._deadline = deadline
        self._first_token_deadline = first_token_deadline
        #: When the next content must have arrived, once there has been any.
        self._content_deadline = math.inf
        self._total_deadline = total_deadline
        self._grace_deadline: float | None = None
        self._outcome = outcome
        self._clock = asyncio.get_running_loop().time
        #: The bytes that told the format, to be decoded first.
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

    async def begin(self, read_whole: Callable[[bytes], Answer]) -> None:
        """Read the first bytes, which tell the answer's format; `read_whole` reads the body of a whole answer.

        Raises ProviderError if the stream breaks before, or if it is no answer.
        """
        framing = self._reader.framing
        answer_format = None
        if self._operation.reads_content_type:
            answer_format = format_of_type(self.content_type, framing)
        first = b""
        while answer_format is None:
            try:
                with self._deadline.at(self._first_token_deadline):
                    piece = await self._response.read()
            except TimeoutError:
                raise self._timeout_error() from None
            first = beginning(first + piece)
            if not piece:
                message = "The provider answered with nothing instead of a stream"
                raise ProviderError(ErrorKind.BAD_RESPONSE, message, status=self._response.status)
            answer_format = detect_format(first, framing)
        if answer_format is Format.PAGE:
            content_type = self._response.headers.get("content-type", "no content-type")
            message = f"The provider answered with a page instead of a stream ({content_type})"
            raise ProviderError(ErrorKind.BAD_RESPONSE, message, status=self._response.status)
        if answer_format is Format.WHOLE:
            limits = self._limits
            rest = await read_body(
                self._response, limits.max_bytes, limits.idle, self._deadline, self._first_token_deadline
            )
            self._replay(read_whole(first + rest))
            return
        if answer_format is Format.EVENTS:
            self._decoder = StreamDecoder(self._reader, "sse")
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
                raise self._outcome.failed(error) from None
        if self._received_all:
            self.state = StreamState.COMPLETE
            self._outcome.succeeded(self._usage)
        return chunks

    async def aclose(self) -> None:
        """Release the connection; a stream that was not read to its end counts as abandoned."""
        if self._is_released:
            return
        if self.state is StreamState.OPEN:
            self.state = StreamState.ABANDONED
            self._outcome.failed(asyncio.CancelledError())
        await self.release()

    async def release(self) -> None:
        """Release the connection without reporting an outcome, for a stream that failed before it was committed."""
        self._is_released = True
        try:
            if self._received_all:
                with self._deadline.at(self._clock() + _DRAIN_SECONDS):
                    while await self._response.read():
                        pass
        except (TimeoutError, ProviderError):
            pass  # The answer is complete; only the connection is not reused.
        finally:
            self._deadline.close()
            await self._response.aclose()

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
                        piece = await self._response.read()
                except TimeoutError:
                    if not reader.complete:
                        raise self._timeout_error() from None
                except ProviderError:
                    if not reader.complete:
                        raise
            chunks = self._decoder.feed(piece)
            if reader.finished and reader.complete:
                self._received_all = True
                if (usage := reader.usage_chunk) is not None:
                    self._usage = self._operation.usage(usage)
                return [*chunks, *reader.held_back()]
            if reader.finished:
                # The chunks before the fault are handed on first; the next read raises.
                reader.fail(ProviderError(ErrorKind.BAD_RESPONSE, "The stream ended before the answer was complete"))
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
        return limit if limit < self._content_deadline else self._content_deadline

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
