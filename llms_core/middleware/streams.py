"""Streams of chunks between a provider and the client, and filters for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from llms_core.contracts.chunk import Chunk


class ChunkStream(Protocol):
    """A streamed answer, which has begun."""

    @property
    def content_type(self) -> str:
        """The provider's, for an answer that is not JSON."""

    @property
    def is_complete(self) -> bool:
        """Whether the last chunk of a complete answer has been read."""

    async def read(self) -> list[Chunk]:
        """Return the chunks that arrived next; not to be called after the last one.

        The ends of the answer's parts and the usage come last, together. Raises ProviderError if the stream breaks.
        """

    async def aclose(self) -> None:
        """Release what the stream holds; to be called any number of times.

        A stream that was not read to its end counts as abandoned.
        """


class ChunkFilter(Protocol):
    """Changes the chunks of one stream; made anew for each stream."""

    def feed(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Return the chunks that can be sent on now. Raises RequestError to end the answer."""

    def end(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Return what was held back, and the last chunks: the ends of the answer's parts and the usage."""


class StreamWrapper:
    """A stream that passes on another one, for subclasses that change what they read."""

    def __init__(self, stream: ChunkStream):
        self._stream = stream

    @property
    def content_type(self) -> str:
        """The content type of the other stream."""
        return self._stream.content_type

    @property
    def is_complete(self) -> bool:
        """Whether the last chunk has been read."""
        return self._stream.is_complete

    async def read(self) -> list[Chunk]:
        """Return the next chunks of the other stream."""
        return await self._stream.read()

    async def aclose(self) -> None:
        """Close the other stream."""
        await self._stream.aclose()


class ObservedStream(StreamWrapper):
    """A stream that passes on another one, and shows what it reads to a function."""

    def __init__(self, stream: ChunkStream, observe: Callable[[Sequence[Chunk]], None]):
        super().__init__(stream)
        self._observe = observe

    async def read(self) -> list[Chunk]:
        """Return the next chunks of the other stream."""
        chunks = await self._stream.read()
        self._observe(chunks)
        return chunks


class FilteredStream(StreamWrapper):
    """A stream whose chunks pass a filter."""

    def __init__(self, stream: ChunkStream, chunks: ChunkFilter):
        super().__init__(stream)
        self._filter = chunks
        self._has_content = False

    async def read(self) -> list[Chunk]:
        """Read until the filter lets some content pass, so that an answer which it refuses has not begun."""
        passed: list[Chunk] = []
        while True:
            chunks = await self._stream.read()
            if self._stream.is_complete:
                return [*passed, *self._filter.end(chunks)]
            passed += self._filter.feed(chunks)
            self._has_content = self._has_content or any(chunk.content for chunk in passed)
            if passed and self._has_content:
                return passed


class ReplayedStream:
    """A complete answer as a stream."""

    def __init__(self, chunks: Sequence[Chunk]):
        self._chunks = list(chunks)
        self.content_type = ""
        self.is_complete = False

    async def read(self) -> list[Chunk]:
        """Return all chunks."""
        self.is_complete = True
        return self._chunks

    async def aclose(self) -> None:
        """Do nothing: there is nothing to release."""
