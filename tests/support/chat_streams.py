"""The core's reading of chat answers, for tests of adapters and of exchanges."""

from __future__ import annotations

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion
from llms_core.contracts.request import ChatCall
from llms_core.errors import ProviderError
from llms_core.operations.chat import CHAT
from llms_core.operations.stream import StreamReader
from llms_core.provider import ChunkTranslator, HttpAdapter, UpstreamRequest
from llms_core.upstream.answer_stream import AnswerStream, NoOutcome
from llms_core.upstream.body import AttemptLimits
from llms_core.upstream.exchange import open_stream, whole_answer
from llms_core.upstream.stream_decoder import StreamDecoder
from llms_core.upstream.transport import HttpTransport


class ChatStream:
    """One stream of chat chunks: bytes in, chunks out, and how far the answer has come."""

    def __init__(self, translator: ChunkTranslator, choices: int = 1):
        self._reader = StreamReader(translator, parts=choices, end_marker=b"[DONE]")
        self._decoder = StreamDecoder(self._reader)
        self.feed = self._decoder.feed

    @property
    def finished(self) -> bool:
        return self._reader.finished

    @property
    def complete(self) -> bool:
        return self._reader.complete

    @property
    def failure(self) -> ProviderError | None:
        return self._reader.failure

    @property
    def has_content(self) -> bool:
        return self._reader.has_content

    def held_back(self) -> list[Chunk]:
        return self._reader.held_back()


async def open_chat_stream(
    transport: HttpTransport,
    adapter: HttpAdapter,
    call: ChatCall,
    request: UpstreamRequest,
    limits: AttemptLimits,
) -> AnswerStream:
    """A stream of the operation `chat`, outside of routing."""
    return await open_stream(transport, CHAT, adapter, call, request, limits, NoOutcome())


async def whole_chat_answer(
    transport: HttpTransport,
    adapter: HttpAdapter,
    call: ChatCall,
    request: UpstreamRequest,
    limits: AttemptLimits,
) -> Completion:
    """A whole answer of the operation `chat`, outside of routing."""
    answer = await whole_answer(transport, CHAT, adapter, call, request, limits)
    return Completion(answer.data, answer.usage)
