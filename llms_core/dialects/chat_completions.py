"""OpenAI's chat completions: `POST /v1/chat/completions`.

The operation `chat` uses the same format, so requests, answers and chunks pass through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Usage
from llms_core.contracts.request import ChatBody, ChatRequest, decode
from llms_core.dialects import (
    MODEL,
    Dialect,
    ErrorResponse,
    IncomingRequest,
    OpenApi,
    openai_error,
    sse,
)
from llms_core.dialects.metadata import Metadata, with_metadata
from llms_core.operations import Answer
from llms_core.operations.chat import CHAT


class ChatStreamWriter:
    """Chunks as server-sent events, with `[DONE]` at the end (SR-053 … SR-055)."""

    content_type = sse.CONTENT_TYPE
    keep_alive = sse.KEEP_ALIVE

    def __init__(self, body: ChatBody):
        self.include_usage = body.view.include_usage
        self.metadata: Callable[[], Metadata] | None = None

    def write(self, chunks: Sequence[Chunk]) -> bytes:
        """Chunks that arrived together; the usage chunk is left out unless `include_usage`."""
        include_usage = self.include_usage
        if self.metadata is not None:
            chunks = [_with_metadata(chunk, self.metadata) for chunk in chunks]
        return sse.events([chunk.data for chunk in chunks if include_usage or not chunk.usage])

    def end(self) -> bytes:
        """The end of a complete answer."""
        return sse.event(b"[DONE]")

    def error(self, error: ErrorResponse) -> bytes:
        """The error object as the last event."""
        return sse.event(openai_error.encode(error))


class AnswerMessage(msgspec.Struct):
    """A model's message; further members are the provider's own."""

    role: str
    content: str | None


class AnswerChoice(msgspec.Struct):
    """One of the alternatives in an answer."""

    index: int
    message: AnswerMessage
    finish_reason: str


class ChatCompletion(msgspec.Struct):
    """The guaranteed members of a chat.completion."""

    id: str
    object: str
    created: int
    model: str
    choices: list[AnswerChoice]
    usage: Usage | None = None


def _decode(request: IncomingRequest) -> ChatBody:
    return decode(request.body)


def _with_metadata(chunk: Chunk, metadata: Callable[[], Metadata]) -> Chunk:
    """Return the usage chunk with metadata, and any other as it is."""
    if not chunk.usage:
        return chunk
    return msgspec.structs.replace(chunk, data=with_metadata(chunk.data, metadata()))


def _encode_answer(answer: Answer, body: ChatBody) -> bytes:
    return answer.data


CHAT_COMPLETIONS = Dialect(
    name="chat_completions",
    operation=CHAT,
    paths=("/v1/chat/completions",),
    decode=_decode,
    encode_answer=_encode_answer,
    encode_error=openai_error.encode,
    stream_writer=ChatStreamWriter,
    has_metadata=True,
    openapi=OpenApi(
        summary="A chat completion",
        operation_id="Chat",
        example={"model": MODEL, "messages": [{"role": "user", "content": "Hello!"}]},
        request=ChatRequest,
        answer=ChatCompletion,
        error=openai_error.ErrorBody,
    ),
)
