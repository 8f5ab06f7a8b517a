"""Reads one streamed answer: which chunks can be sent on, and whether the answer is complete."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.error_body import describes_error
from llms_core.contracts.keep_alive import is_keep_alive
from llms_core.contracts.lenient_json import JsonRepair
from llms_core.errors import ErrorKind, ProviderError
from llms_core.operations.adapter_results import expect
from llms_core.provider import ChunkTranslator, Framing

Event = tuple[str, bytes]
"""An event's name, empty if it has none, and its data."""


class ChunkReader:
    """The progress of one stream of chunks.

    An answer has one or more parts (the choices of a chat completion), which chunks begin and end. The end of a part
    and the usage are held back until the stream itself ends, because providers repeat them (OpenRouter), count usage
    up in every chunk (Perplexity), or send content after the finish_reason (Baseten).

    `parts` is the number of parts that were requested.
    """

    def __init__(self, *, parts: int = 1):
        self._parts = parts
        self._open: set[int] = set()
        self._ended: set[int] = set()
        self._held: list[Chunk] = []
        self._usage: Chunk | None = None
        #: Whether a chunk with content has been read: a part of the answer that is useful to the client.
        self.has_content = False
        #: The number of such chunks.
        self.content_chunks = 0
        #: The same since the reader's user last set it to False.
        self.has_new_content = False
        #: Whether no more events will be read: the stream ended, or an event was an error.
        self.finished = False
        #: The error that an event reported, unless the answer was already complete.
        self.failure: ProviderError | None = None

    @property
    def complete(self) -> bool:
        """Whether every part that began has ended, and as many as were requested."""
        return not self._open and len(self._ended) >= self._parts

    def accept(self, chunks: Iterable[Chunk], method: str) -> list[Chunk]:
        """Read chunks that an adapter's `method` made; return those that can be sent on now."""
        ready: list[Chunk] = []
        for chunk in chunks:
            if type(chunk) is not Chunk or type(chunk.data) is not bytes:
                expect(bytes, expect(Chunk, chunk, method).data, method, "data of a Chunk")
            self._sort(chunk, ready)
        return ready

    def fail(self, error: ProviderError) -> None:
        """End the stream with an error. The first one counts, and none can spoil a complete answer."""
        self.finished = True
        if self.failure is None and not self.complete:
            self.failure = error

    def held_back(self) -> list[Chunk]:
        """The ends of the parts and the usage, to be sent once the answer is complete."""
        if self._usage is None:
            return list(self._held)
        return [*self._held, self._usage]

    @property
    def usage_chunk(self) -> Chunk | None:
        """The last usage chunk of the stream."""
        return self._usage

    def _sort(self, chunk: Chunk, ready: list[Chunk]) -> None:
        """Append a chunk to `ready`, or hold it back."""
        if chunk.usage:
            self._usage = chunk
            return
        if chunk.content:
            self.has_content = True
            self.has_new_content = True
            self.content_chunks += 1
        # Nearly every chunk continues an open part.
        if not chunk.ended and not self._ended and self._open.issuperset(chunk.begun):
            ready.append(chunk)
            return
        for index in chunk.begun:
            if index not in self._ended:
                self._open.add(index)
        if chunk.ended:
            self._hold_end(chunk)
        elif self._continues_held_content(chunk):
            self._held.append(chunk)
        elif self._can_be_sent(chunk):
            ready.append(chunk)

    def _hold_end(self, chunk: Chunk) -> None:
        if chunk.replaces_end:
            self._held = [
                held
                for held in self._held
                if held.content or not set(chunk.ended).issuperset(held.ended)
            ]
            self._ended.difference_update(chunk.ended)
        is_repeated = self._ended.issuperset(chunk.ended)
        if chunk.content or not is_repeated:
            self._held.append(chunk)
        self._ended.update(chunk.ended)
        self._open.difference_update(chunk.ended)

    def _continues_held_content(self, chunk: Chunk) -> bool:
        """Whether a chunk comes after content that is held back, and must not overtake it."""
        belongs_to_ended_parts = bool(self._ended) and self._ended.issuperset(chunk.begun)
        return chunk.content and belongs_to_ended_parts and any(held.content for held in self._held)

    def _can_be_sent(self, chunk: Chunk) -> bool:
        """A chunk without content that belongs to ended parts only is dropped."""
        if not self._ended or chunk.content:
            return True
        return not self._open.isdisjoint(chunk.begun)


class StreamReader(ChunkReader):
    """The progress of one stream of events, which a translator turns into chunks.

    `end_marker` is the data of an event that ends the stream; it is not translated. `read_error` classifies an error
    that the translator does not recognize as one.
    """

    def __init__(
        self,
        translator: ChunkTranslator,
        *,
        parts: int = 1,
        end_marker: bytes | None = None,
        read_error: Callable[[bytes], ProviderError] | None = None,
    ):
        super().__init__(parts=parts)
        self._translator = translator
        self._read_error = read_error
        self._end_marker = end_marker
        self._json = JsonRepair()

    @property
    def framing(self) -> Framing:
        """How the provider separates the stream into events."""
        return self._translator.framing

    def feed(self, events: Sequence[Event]) -> list[Chunk]:
        """Translate events that arrived together; return the chunks that can be sent on now."""
        ready: list[Chunk] = []
        translate = self._translator.feed
        for name, data in events:
            if data == self._end_marker:
                # With an explicit end the answer may have fewer parts than were requested.
                self.finished = True
                self._parts = 1
                break
            chunk = None
            try:
                for chunk in translate(name, data):
                    if type(chunk) is not Chunk or type(chunk.data) is not bytes:
                        expect(bytes, expect(Chunk, chunk, "feed").data, "feed", "data of a Chunk")
                    self._sort(chunk, ready)
            except ProviderError as error:
                substitute = self._substitute(error, name, data)
                if substitute is None:
                    is_unspecific = error.kind is ErrorKind.BAD_RESPONSE
                    self.fail(
                        (self._unrecognized_error(name, data) if is_unspecific else None) or error
                    )
                    break
                ready += self.feed(substitute)
                if self.finished:
                    break
            else:
                if chunk is None and (unrecognized := self._unrecognized_error(name, data)):
                    self.fail(unrecognized)
                    break
        return ready

    def _substitute(self, error: ProviderError, name: str, data: bytes) -> Sequence[Event] | None:
        """Return what to read in place of an event that the translator rejected; None if the error stands.

        Only events that fail are looked at, so that all others cost nothing.
        """
        if error.kind is not ErrorKind.BAD_RESPONSE:
            return None
        if is_keep_alive(name, data):
            return ()
        repaired = self._json.repaired(data)
        return None if repaired is None else ((name, repaired),)

    def _unrecognized_error(self, name: str, data: bytes) -> ProviderError | None:
        """Return the error that an event describes which the translator rejected or ignored."""
        if self._read_error is None or not (name == "error" or describes_error(data)):
            return None
        return self._read_error(data)
