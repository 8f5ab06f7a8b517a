"""OpenAI's speech: `POST /v1/audio/speech`. Its sound is sent on while it arrives."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from llms_core.contracts.body import BodyDecoder, RequestBody
from llms_core.dialects import MODEL, Dialect, IncomingRequest, OpenApi, StreamWriter, openai_error
from llms_core.dialects.forwarding import BytesWriter, EventWriter, encode_answer
from llms_core.operations.speech import SPEECH as OPERATION


class SpeechRequest(msgspec.Struct, frozen=True):
    """The validated members of a request; all others, such as the voice, are sent on, too."""

    model: Annotated[str, Meta(min_length=1)]
    input: Annotated[str, Meta(min_length=1)]
    #: `sse` for events; anything else is for bytes
    stream_format: str | None = None

    stream = True
    answers = 1

    @property
    def events(self) -> bool:
        """Whether the sound is sent in events."""
        return self.stream_format == "sse"


_decoder = BodyDecoder(SpeechRequest)


def _decode(request: IncomingRequest) -> RequestBody[SpeechRequest]:
    return _decoder.decode(request.body)


def _stream_writer(body: RequestBody[SpeechRequest]) -> StreamWriter:
    if body.view.events:
        return EventWriter(body)
    return BytesWriter()


SPEECH = Dialect(
    name="audio_speech",
    operation=OPERATION,
    paths=("/v1/audio/speech",),
    decode=_decode,
    encode_answer=encode_answer,
    encode_error=openai_error.encode,
    stream_writer=_stream_writer,
    openapi=OpenApi(
        summary="A text, read aloud",
        operation_id="Speak",
        example={"model": MODEL, "input": "Hello!", "voice": "alloy"},
        request=SpeechRequest,
        answer_type="audio/mpeg",
        error=openai_error.ErrorBody,
        tag="Audio",
    ),
)
