"""The operation `audio_speech`: a text is read aloud, as in OpenAI's API. Its sound is sent on while it arrives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.forwarding import ForwardCall, ForwardedAnswer
from llms_core.errors import ErrorKind, ProviderError
from llms_core.operations.forwarding import Forwarding
from llms_core.operations.stream import StreamReader
from llms_core.provider import Framing


class Speech(Forwarding):
    """Speech. An answer is sound, or events if the client asked for them."""

    name = "audio_speech"
    model_patterns = ("tts-*", "*-tts", "*-tts-*", "*playai-tts*", "*orpheus*", "*kokoro*")
    end_events = frozenset({"speech.audio.done"})

    def fault(self, call: ForwardCall, answer: ForwardedAnswer) -> str | None:
        """Return what is wrong with an answer that is neither a stream of sound nor of events."""
        if not answer.data:
            return "it is empty"
        if answer.content_type.startswith(("audio/", "application/octet-stream")):
            return None
        return f"it is not sound ({answer.content_type})"

    def stream(self, adapter: Any, call: ForwardCall) -> StreamReader:
        """Return a reader of events, or of bytes."""
        if call.events:
            return super().stream(adapter, call)
        return StreamReader(Sound())

    def as_chunks(self, answer: Any) -> list[Chunk]:
        """Return sound that an adapter has translated."""
        return [Chunk(answer.data, content=True, begun=(0,)), Chunk(b"", begun=(0,), ended=(0,))]


class Sound:
    """A `ChunkTranslator` that sends bytes on. They are complete when the response is."""

    framing: Framing = "bytes"

    def __init__(self) -> None:
        self._is_empty = True

    def feed(self, event: str, data: bytes) -> Iterator[Chunk]:
        """Return a piece. Raises ProviderError at the end of an empty response."""
        if data:
            self._is_empty = False
            yield Chunk(data, content=True, begun=(0,))
            return
        if self._is_empty:
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider answered with no sound")
        yield Chunk(b"", begun=(0,), ended=(0,))


SPEECH = Speech()
