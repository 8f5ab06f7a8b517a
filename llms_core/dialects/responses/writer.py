"""Writes a stream: as the provider wrote it if that speaks this API, and otherwise translated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.request import ChatBody
from llms_core.dialects import ErrorResponse, StreamWriter, sse
from llms_core.dialects.responses.context import Context
from llms_core.dialects.responses.original_events import OriginalEvents
from llms_core.dialects.responses.stream import Finish, ResponsesStreamWriter


class ResponseWriter:
    """The writer of one response. The first chunks tell which way it is written."""

    content_type = sse.CONTENT_TYPE
    keep_alive = sse.KEEP_ALIVE

    def __init__(
        self,
        body: ChatBody,
        finish: Finish,
        keep: Callable[[bytes, Context], bytes | Awaitable[bytes]],
    ):
        self._body = body
        self._finish = finish
        self._keep = keep
        self._writer: StreamWriter | None = None

    def write(self, chunks: Sequence[Chunk]) -> bytes:
        """Return the events for chunks that arrived together."""
        writer = self._writer
        if writer is None:
            writer = self._writer = self._begin(is_native=bool(chunks) and bool(chunks[0].native))
        return writer.write(chunks)

    def end(self) -> bytes | Awaitable[bytes]:
        """Return the end of a complete answer."""
        return (self._writer or self._begin()).end()

    def error(self, error: ErrorResponse) -> bytes:
        """Return the error that ends a stream which broke."""
        return (self._writer or self._begin()).error(error)

    def _begin(self, *, is_native: bool = False) -> StreamWriter:
        if is_native:
            return OriginalEvents(lambda response: self._keep(response, self._body.context))
        return ResponsesStreamWriter(self._body.translation, self._finish)
