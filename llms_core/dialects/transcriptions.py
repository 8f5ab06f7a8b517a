"""What is said in a recording: OpenAI's `POST /v1/audio/transcriptions`, and `/v1/audio/translations` into English."""

from __future__ import annotations

import msgspec

from llms_core.dialects import MODEL, Dialect, OpenApi, openai_error
from llms_core.dialects.forwarding import EventWriter, encode_answer, form_decoder
from llms_core.operations import transcriptions
from llms_core.operations.transcriptions import Transcriptions

#: OpenAI requires a model. Clients that leave it open are from the time when there was one.
_DEFAULT_MODEL = "whisper-1"


class RecordingForm(msgspec.Struct, frozen=True):
    """The fields that are read of a form; all others, and the recording, are sent on."""

    file: bytes
    model: str = _DEFAULT_MODEL
    stream: bool = False


class Transcription(msgspec.Struct):
    """The guaranteed members of an answer in JSON."""

    text: str


def _dialect(operation: Transcriptions, path: str, summary: str, operation_id: str) -> Dialect:
    return Dialect(
        name=operation.name,
        operation=operation,
        paths=(path,),
        decode=form_decoder(_DEFAULT_MODEL),
        encode_answer=encode_answer,
        encode_error=openai_error.encode,
        stream_writer=EventWriter,
        form_fields=frozenset({"stream"}),
        openapi=OpenApi(
            summary=summary,
            operation_id=operation_id,
            example={"model": MODEL},
            request=RecordingForm,
            request_type="multipart/form-data",
            answer=Transcription,
            error=openai_error.ErrorBody,
            tag="Audio",
        ),
    )


DIALECTS = (
    _dialect(
        transcriptions.TRANSCRIPTIONS,
        "/v1/audio/transcriptions",
        "What is said in a recording",
        "Transcribe",
    ),
    _dialect(
        transcriptions.TRANSLATIONS, "/v1/audio/translations", "The same in English", "Translate"
    ),
)
