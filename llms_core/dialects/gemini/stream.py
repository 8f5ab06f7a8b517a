"""Chunks of a chat completion as the pieces of `streamGenerateContent`: server-sent events, or one JSON array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Usage, usage
from llms_core.contracts.request import ChatBody
from llms_core.dialects import ErrorResponse, sse
from llms_core.dialects.gemini import errors
from llms_core.dialects.gemini.answer import last_response
from llms_core.dialects.gemini.candidate import CandidateWriter
from llms_core.dialects.gemini.views import decode_answer

Json = dict[str, Any]

_encode = msgspec.json.encode

_LINE_BREAKS_TO_SPACES = bytes.maketrans(b"\r\n", b"  ")


class GeminiStreamWriter:
    """Writes one answer. With an error, the client gets no `finishReason`."""

    #: Google's SDKs do not read comments, and skip blank lines; so does JSON.
    keep_alive = b"\n"

    def __init__(self, body: ChatBody):
        self._is_sse: bool = body.context
        self._has_items = False
        #: Whether Google's own events are passed on.
        self._is_native = False
        self._model = body.view.model
        self._id = ""
        #: by index
        self._candidates: dict[int, CandidateWriter] = {}
        self._usage: Usage | None = None

    @property
    def content_type(self) -> bytes:
        """The value of the Content-Type header."""
        if self._is_sse:
            return sse.CONTENT_TYPE
        return b"application/json"

    def write(self, chunks: Sequence[Chunk]) -> bytes:
        """Return the pieces for chunks that arrived together."""
        if self._is_native or (chunks and chunks[0].native):
            self._is_native = True
            return b"".join(self._item(chunk.data) for chunk in chunks if chunk.native)
        return b"".join(
            self._item(_encode(response)) for chunk in chunks for response in self._responses(chunk)
        )

    def end(self) -> bytes:
        """Return the ends of all candidates, and of the array."""
        if self._is_native:
            # The provider's events have been passed on to the last.
            return b"" if self._is_sse else b"\n]"
        ended = [(writer, writer.end()) for _, writer in sorted(self._candidates.items())]
        last = self._item(_encode(last_response(ended, self._usage, self._model, self._id)))
        if self._is_sse:
            return last
        return last + b"\n]"

    def error(self, error: ErrorResponse) -> bytes:
        """Return the error that ends a stream which broke."""
        item = self._item(errors.encode(error))
        if self._is_sse:
            return item
        return item + b"\n]"

    def _responses(self, chunk: Chunk) -> list[Json]:
        """Return a piece for each choice of the chunk that has something to write."""
        answer = decode_answer(chunk.data)
        self._id = self._id or answer.id
        self._model = answer.model or self._model
        self._usage = usage(answer.usage) or self._usage
        responses: list[Json] = []
        for choice in answer.choices:
            writer = self._candidates.setdefault(choice.index, CandidateWriter(choice.index))
            if choice.delta is not None:
                parts = writer.add(choice.delta, choice.logprobs)
                if parts:
                    responses.append(self._response(choice.index, parts))
            writer.finish(choice.finish_reason)
        return responses

    def _response(self, index: int, parts: list[Json]) -> Json:
        candidate = {"content": {"parts": parts, "role": "model"}, "index": index}
        return {"candidates": [candidate], "modelVersion": self._model, "responseId": self._id}

    def _item(self, data: bytes) -> bytes:
        if self._is_sse:
            # Google's SDKs read only one line of an event. JSON has line breaks between its tokens only.
            return sse.event(data.translate(_LINE_BREAKS_TO_SPACES))
        separator = b",\r\n" if self._has_items else b"["
        self._has_items = True
        return separator + data
