"""Images and speech of Gemini and Imagen for clients of OpenAI's API, as far as the two mean exactly the same.

https://ai.google.dev/gemini-api/docs/image-generation, https://ai.google.dev/gemini-api/docs/imagen and
https://ai.google.dev/gemini-api/docs/speech-generation

What has no exact counterpart is refused, so that another provider of the model is tried: other sizes than 1024x1024,
images by URL, and sound that is compressed.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from llms_core import ErrorKind, ProviderError, Unsupported
from llms_core.contracts.completion import Usage
from llms_core.contracts.forwarding import ForwardCall, ForwardedAnswer
from llms_core.contracts.json import UNREADABLE, is_null
from llms_providers.google.answer import Answer, Blob, Part, decode

PATHS = {
    "images_generations": "/models/{model}:generateContent",
    "audio_speech": "/models/{model}:generateContent",
}

#: OpenAI's members that are translated, by operation; all others are reported as dropped.
_IMAGE_MEMBERS = frozenset(
    {"model", "prompt", "n", "size", "response_format", "output_format", "background"}
)
_SPEECH_MEMBERS = frozenset(
    {"model", "input", "voice", "response_format", "speed", "instructions", "stream_format"}
)

#: OpenAI's sizes that are Google's as well, and Google's name for them.
_ASPECT_RATIOS = {"1024x1024": "1:1"}

#: Gemini's sound: samples per second, bits per sample, channels.
_RATE = 24_000
_BITS = 16
_PCM_TYPE = f"audio/L{_BITS}"

_MAX_IMAGES = 4
_NOTHING = ("", "auto", None)

_part = msgspec.json.Decoder(Part)


class _Prediction(msgspec.Struct, rename="camel"):
    bytes_base64_encoded: str = ""
    rai_filtered_reason: str = ""


class _Predictions(msgspec.Struct):
    predictions: list[_Prediction] = []


_decode_predictions = msgspec.json.Decoder(_Predictions).decode


def is_imagen(model: str) -> bool:
    """Whether a model has Imagen's protocol instead of Gemini's."""
    return model.rpartition("/")[2].startswith("imagen")


def to_request(call: ForwardCall) -> tuple[str, dict[str, Any], tuple[str, ...]]:
    """Return a request's method and body, and the names of parameters that Google does not have.

    Raises Unsupported for what has no exact counterpart.
    """
    members = {
        name: msgspec.json.decode(raw) for name, raw in call.members.items() if not is_null(raw)
    }
    if call.operation == "audio_speech":
        known = _SPEECH_MEMBERS
        method, body = "generateContent", _speech_body(members)
    else:
        known = _IMAGE_MEMBERS
        if call.events:
            raise Unsupported(
                "Google sends no partial images: send the request without `stream`", param="stream"
            )
        method, body = _image_request(call, members)
    return method, body, tuple(sorted(members.keys() - known - {"stream", "partial_images"}))


def _image_request(call: ForwardCall, members: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    _refuse_others(members, "response_format", ("b64_json",), "Google sends images as base64 only")
    _refuse_others(members, "output_format", ("png",), "Google's images are PNG")
    _refuse_others(
        members, "background", ("opaque",), "Google's images have no transparent background"
    )
    _refuse_others(members, "size", tuple(_ASPECT_RATIOS), "Google has other sizes of images")
    ratio = _ASPECT_RATIOS.get(members.get("size", ""))
    shape = {"aspectRatio": ratio} if ratio else {}
    prompt = members["prompt"]
    if is_imagen(call.upstream_model):
        if call.answers > _MAX_IMAGES:
            raise Unsupported(f"Imagen makes at most {_MAX_IMAGES} images", param="n")
        return "predict", {
            "instances": [{"prompt": prompt}],
            "parameters": {"sampleCount": call.answers, **shape},
        }
    if call.answers > 1:
        raise Unsupported("Gemini makes one image at a time", param="n")
    config: dict[str, Any] = {"responseModalities": ["IMAGE"]}
    if shape:
        config["imageConfig"] = shape
    return "generateContent", {"contents": [_user(prompt)], "generationConfig": config}


def _speech_body(members: Mapping[str, Any]) -> dict[str, Any]:
    # Without one, OpenAI's is MP3.
    members = {"response_format": "mp3", **members}
    _refuse_others(members, "response_format", ("wav", "pcm"), "Gemini's sound is not compressed")
    _refuse_others(members, "speed", (1,), "Gemini has no speed of speech")
    _refuse_others(
        members, "instructions", (), "Gemini takes instructions as part of the text only"
    )
    _refuse_others(members, "stream_format", ("audio",), "Gemini sends no events of sound")
    config: dict[str, Any] = {"responseModalities": ["AUDIO"]}
    voice = members.get("voice")
    if voice is not None:
        if not isinstance(voice, str):
            raise Unsupported("A voice is the name of one of Gemini's", param="voice")
        config["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}}
    return {"contents": [_user(members["input"])], "generationConfig": config}


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "parts": [{"text": text}]}


def _refuse_others(
    members: Mapping[str, Any], name: str, exact: tuple[Any, ...], reason: str
) -> None:
    value = members.get(name)
    if value not in _NOTHING and value not in exact:
        raise Unsupported(reason, param=name)


def to_images(call: ForwardCall, answers: Sequence[Answer]) -> ForwardedAnswer:
    """Return Gemini's images. Raises ProviderError if there are none."""
    return _images(call, [blob.data for blob in _blobs(answers, "image/")], _usage(answers))


def predicted_images(call: ForwardCall, body: bytes) -> ForwardedAnswer:
    """Return Imagen's images. Raises ProviderError if there are none."""
    try:
        predictions = _decode_predictions(body).predictions
    except UNREADABLE as error:
        message = f"Cannot parse Google's images: {error}"
        raise ProviderError(ErrorKind.BAD_RESPONSE, message, status=200) from None
    images = [each.bytes_base64_encoded for each in predictions if each.bytes_base64_encoded]
    reasons = [each.rai_filtered_reason for each in predictions if each.rai_filtered_reason]
    if not images and (reasons or not predictions):
        # Without any prediction, all of them were filtered.
        reason = "; ".join(reasons) or "Google filtered all images"
        raise ProviderError(ErrorKind.CONTENT_POLICY, reason, status=200)
    return _images(call, images, None)


def to_speech(call: ForwardCall, answers: Sequence[Answer]) -> ForwardedAnswer:
    """Return Gemini's sound in the requested format. Raises ProviderError if there is none."""
    blobs = list(_blobs(answers, _PCM_TYPE))
    try:
        pcm = b"".join(base64.b64decode(blob.data, validate=True) for blob in blobs)
    except binascii.Error:
        raise ProviderError(
            ErrorKind.BAD_RESPONSE, "Google's sound is not valid base64", status=200
        ) from None
    if any(f"rate={_RATE}" not in blob.mime_type for blob in blobs):
        message = f"Google's sound has another rate than {_RATE} Hz: {blobs[0].mime_type}"
        raise ProviderError(ErrorKind.BAD_RESPONSE, message, status=200)
    usage = _usage(answers)
    if bytes(call.members["response_format"]) == b'"pcm"':
        return ForwardedAnswer(pcm, usage, "audio/pcm")
    return ForwardedAnswer(_wav_head(len(pcm)) + pcm, usage, "audio/wav")


def _wav_head(size: int) -> bytes:
    """Return the head of a WAV file with so many bytes of samples, of one channel."""
    frame = _BITS // 8
    format_ = struct.pack("<HHIIHH", 1, 1, _RATE, _RATE * frame, frame, _BITS)
    riff = struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE")
    return (
        riff
        + struct.pack("<4sI", b"fmt ", len(format_))
        + format_
        + struct.pack("<4sI", b"data", size)
    )


def _images(call: ForwardCall, images: Sequence[str], usage: Usage | None) -> ForwardedAnswer:
    body: dict[str, Any] = {
        "created": call.created,
        "data": [{"b64_json": image} for image in images],
    }
    if usage is not None:
        body["usage"] = {
            "input_tokens": usage.prompt_tokens,
            "output_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
        }
    return ForwardedAnswer(msgspec.json.encode(body), usage)


def _blobs(answers: Sequence[Answer], media_type: str) -> Iterator[Blob]:
    """Return the media of the answers. Raises ProviderError with the reason if there are none."""
    found = False
    reason = ""
    for answer in answers:
        blocked = (answer.prompt_feedback or {}).get("blockReason")
        if blocked:
            reason = f"BLOCKED: {blocked}"
        for candidate in answer.candidates or ():
            reason = candidate.finish_message or candidate.finish_reason or reason
            content = candidate.content
            for raw in (content.parts or ()) if content is not None else ():
                part = decode(_part, raw)
                blob = part.inline_data
                # Images of the model's reasoning are drafts.
                if blob is not None and not part.thought and blob.mime_type.startswith(media_type):
                    found = True
                    yield blob
    if not found:
        kind = ErrorKind.CONTENT_POLICY if _is_refusal(reason) else ErrorKind.BAD_RESPONSE
        raise ProviderError(
            kind, f"Google's answer has no {media_type.partition('/')[0]}: {reason}", status=200
        )


def _is_refusal(reason: str) -> bool:
    return any(
        word in reason.upper() for word in ("SAFETY", "PROHIBITED", "BLOCK", "RECITATION", "SPII")
    )


def _usage(answers: Sequence[Answer]) -> Usage | None:
    usage = None
    for answer in answers:
        usage = answer.usage() or usage
    return usage
