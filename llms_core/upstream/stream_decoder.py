"""From the bytes of a stream to chunks: events are separated by the provider's framing, then read by the operation."""

from __future__ import annotations

from llms_core.contracts.chunk import Chunk
from llms_core.errors import ProviderError
from llms_core.operations.stream import Event, StreamReader
from llms_core.provider import Framing
from llms_core.upstream.aws_event_stream import EventStreamMessages
from llms_core.upstream.ndjson import Lines
from llms_core.upstream.sse import ServerSentEvents


class _Pieces:
    """Returns each piece of a stream without events as an event, and its end as an empty one."""

    def feed(self, piece: bytes) -> list[Event]:
        return [("", piece)]

    def end(self) -> list[Event]:
        return [("", b"")]


_EVENT_READERS: dict[str, type[ServerSentEvents | Lines | EventStreamMessages | _Pieces]] = {
    "sse": ServerSentEvents,
    "ndjson": Lines,
    "aws": EventStreamMessages,
    "bytes": _Pieces,
}


def event_reader(framing: Framing) -> ServerSentEvents | Lines | EventStreamMessages | _Pieces:
    """Return a reader that separates one stream into events."""
    return _EVENT_READERS[framing]()


class StreamDecoder:
    """Decodes one stream, from whatever pieces the network delivers. `reader` knows the progress of the answer.

    `framing` is how the stream is separated into events, if not as the adapter expects.
    """

    def __init__(self, reader: StreamReader, framing: Framing | None = None):
        self.reader = reader
        self._events = event_reader(framing or reader.framing)

    def feed(self, piece: bytes) -> list[Chunk]:
        """Return the chunks that a piece completes; an empty piece is the end of the stream.

        An error does not raise: the chunks before it count, and `reader.failure` holds it.
        """
        reader = self.reader
        try:
            events = self._events.feed(piece) if piece else self._events.end()
        except ProviderError as error:
            reader.fail(error)
            return []
        chunks = reader.feed(events)
        if not piece:
            reader.finished = True
        return chunks
