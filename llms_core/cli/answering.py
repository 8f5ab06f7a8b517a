"""One request of the command line, answered as the server answers one: middleware, routing, records."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import msgspec

from llms_core.contracts.body import RequestBody
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion
from llms_core.contracts.request import ChatRequest
from llms_core.errors import AllProvidersFailed, LlmsError, ProviderError
from llms_core.middleware import Answered, ChunkStream
from llms_core.operations.chat import CHAT
from llms_core.records import AttemptRecord, Caller, RequestRecord
from llms_core.routing.trace import RequestTrace
from llms_core.secret import redact
from llms_core.server import accounting, error_response
from llms_core.server.service import Service

CALLER = Caller("command line")
"""Who asks, for plugins and records."""

_DIALECT = "chat_completions"

Write = Callable[[str], None]
"""Gets a streamed answer, piece by piece."""


class Failed(LlmsError):
    """No answer, or only a part of one. The message has the reason of every provider that was tried."""

    def __init__(self, message: str, record: RequestRecord):
        super().__init__(message)
        self.record = record


class Reply(msgspec.Struct, frozen=True):
    """A complete answer."""

    #: the model's text; its refusal if it refused; empty if it only called tools, for example
    text: str
    #: `stop`, `length`, …
    finish_reason: str
    #: the assistant's message, for the next request of the conversation
    message: dict[str, Any]
    #: the whole chat.completion, in JSON
    completion: bytes
    record: RequestRecord


class _Message(msgspec.Struct):
    content: Any = None
    refusal: str | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, str) and self.content:
            return self.content
        return self.refusal or ""


class _Choice(msgspec.Struct):
    index: int = 0
    message: dict[str, Any] = {}
    delta: _Message | None = None
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] = []


_decode = msgspec.json.Decoder(_Completion).decode


class Request:
    """A request while it is answered. `write` gets the text of a stream while it arrives."""

    def __init__(
        self, service: Service, body: RequestBody[ChatRequest], write: Write = lambda text: None
    ):
        self._service = service
        self._body = body
        self._write = write
        self._trace = RequestTrace(CHAT.name, _DIALECT)
        self._trace.caller = CALLER
        self._answered: Answered | None = None
        #: The text of a stream that has arrived so far.
        self.text = ""
        #: What plugins and the log learn about the request; None until it has ended.
        self.record: RequestRecord | None = None

    async def answer(self) -> Reply:
        """Return the answer. Raises Failed. If it is cancelled, so is the provider's work."""
        try:
            completion = await self._completion()
        except LlmsError as error:
            status = error_response.describe(error, self._trace.attempts).status
            record = self._end(status, error)
            raise Failed(
                _explained(error, record, is_partial=self._answered is not None), record
            ) from None
        except BaseException as error:
            status = 500
            if isinstance(error, asyncio.CancelledError):
                status = accounting.CLIENT_CLOSED_REQUEST
            self._end(status, error)
            raise
        return _reply(completion, self._end(200))

    async def _completion(self) -> Completion:
        service = self._service
        answered = await service.answer(self._trace, CHAT, self._body, dialect=_DIALECT)
        self._answered = answered
        if answered.stream is not None:
            return CHAT.from_chunks(await self._chunks(answered.stream))
        return cast("Completion", answered.answer)

    async def _chunks(self, stream: ChunkStream) -> list[Chunk]:
        """Return all chunks of a stream, whose text is written as it arrives."""
        chunks: list[Chunk] = []
        try:
            while not stream.is_complete:
                arrived = await stream.read()
                chunks += arrived
                if text := "".join(map(_text, arrived)):
                    self.text += text
                    self._write(text)
        finally:
            await stream.aclose()
        return chunks

    def _end(self, status: int, error: BaseException | None = None) -> RequestRecord:
        """Report to plugins and the log, once, that the request has ended."""
        broken = None
        if self._answered is not None and isinstance(error, ProviderError):
            broken = error.kind
        self.record = accounting.request_finished(
            self._service.startup.host,
            self._trace,
            body=self._body,
            answer=self._answered,
            caller=CALLER,
            status=status,
            overhead=None,
            stream_error=broken,
            error=error,
            has_begun=bool(self.text),
        )
        return self.record


def _text(chunk: Chunk) -> str:
    """The text that a chunk adds to the first choice."""
    if not chunk.content:
        return ""
    pieces = [
        choice.delta.text
        for choice in _decode(chunk.data).choices
        if choice.index == 0 and choice.delta
    ]
    return "".join(pieces)


def _reply(completion: Completion, record: RequestRecord) -> Reply:
    choices = _decode(completion.data).choices
    first = choices[0] if choices else _Choice()
    message = msgspec.convert(first.message, _Message)
    return Reply(message.text, first.finish_reason or "", first.message, completion.data, record)


def _explained(error: LlmsError, record: RequestRecord, *, is_partial: bool) -> str:
    """The reason of a failure in words, with that of each provider that was tried."""
    message = redact(str(error))
    if is_partial:
        return f"the answer broke off: {message}"
    failed = failures(record)
    if isinstance(error, AllProvidersFailed):
        return "\n".join([message, *failed])
    if isinstance(error, ProviderError) and failed:
        # The last one stopped the search.
        return "\n".join(["the request failed", *failed])
    return message


def failures(record: RequestRecord) -> list[str]:
    """Return a line for each attempt that failed."""
    return [_failure(attempt) for attempt in record.attempts if attempt.kind is not None]


def _failure(attempt: AttemptRecord) -> str:
    status = f" {attempt.status}" if attempt.status else ""
    return f"  {attempt.provider} ({attempt.kind}{status}): {redact(attempt.message)}"
