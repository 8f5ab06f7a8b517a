"""The texts of requests and answers, if `[ledger] content` asks for them: a middleware that remembers them.

They are read where providers are: as the guard has left the request, and as the provider has answered.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from llms_core.contracts.chunk import Chunk
from llms_core.middleware import Answered, Call, Forward
from llms_core.middleware.streams import ObservedStream
from llms_core.operations import Operation

log = logging.getLogger(__name__)

#: What is kept of a stream, as a multiple of what is kept of its text: most of a chunk is not text.
_BYTES_PER_CHARACTER = 50


class Content:
    """The text of one request and of its answer. They are only put together when they are written."""

    def __init__(
        self, operation: Operation[Any, Any], members: Mapping[str, msgspec.Raw], max_length: int
    ):
        self._operation = operation
        self._members = members
        self._max_length = max_length
        self._bytes_left = max_length * _BYTES_PER_CHARACTER
        self._chunks: list[Chunk] = []
        self._answer = b""

    def answered(self, data: bytes) -> None:
        """Remember a whole answer."""
        self._answer = data

    def read(self, chunks: Sequence[Chunk]) -> None:
        """Remember a part of a stream."""
        self._bytes_left -= sum(len(chunk.data) for chunk in chunks)
        if self._bytes_left >= 0:
            self._chunks += chunks

    def texts(self) -> tuple[str, str]:
        """Return both as JSON, cut to the length that is kept."""
        request = msgspec.json.encode(dict(self._members))
        return self._cut(request), self._cut(self._answer or self._joined())

    def _joined(self) -> bytes:
        try:
            return self._operation.from_chunks(self._chunks).data
        # A stream that broke off is no answer, and an operation may be a plugin's.
        except Exception as error:
            log.debug("the chunks of an answer are kept as they are", exc_info=error)
            return b"\n".join(chunk.data for chunk in self._chunks)

    def _cut(self, data: bytes) -> str:
        text = data[: 4 * self._max_length].decode(errors="replace")
        return text[: self._max_length].replace("\0", "\ufffd")


class ContentMiddleware:
    """Remembers the texts of the requests that are running."""

    def __init__(self, max_length: int):
        self._max_length = max_length
        self._running: dict[str, Content] = {}

    async def __call__(self, call: Call, forward: Forward) -> Answered:
        """Forward a call, and remember it and its answer."""
        content = Content(call.operation, call.body.members, self._max_length)
        self._running[call.id] = content
        answered = await forward(call)
        if answered.answer is not None:
            content.answered(answered.answer.data)
        elif answered.stream is not None:
            return answered.with_stream(ObservedStream(answered.stream, content.read))
        return answered

    def take(self, request_id: str) -> Content | None:
        """Return the texts of a request that has ended."""
        return self._running.pop(request_id, None)
