"""Sound that a provider sends within JSON, as Mistral does: `{"audio_data": "<base64>"}`."""

from __future__ import annotations

import msgspec

from llms_core.contracts.forwarding import ForwardCall, ForwardedAnswer
from llms_core.contracts.json import UNREADABLE

#: The formats of OpenAI's API -> content types. Without a format, the first one is meant.
_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}


class _Answer(msgspec.Struct):
    audio_data: bytes = b""


class _Request(msgspec.Struct):
    response_format: str | None = None


_decode = msgspec.json.Decoder(_Answer).decode
_decode_request = msgspec.json.Decoder(_Request).decode


def sound_in_json(call: ForwardCall, answer: ForwardedAnswer) -> ForwardedAnswer:
    """Return the sound in an answer; the answer itself if there is none."""
    try:
        sound = _decode(answer.data).audio_data
        requested = _decode_request(call.content).response_format or "mp3"
    except UNREADABLE:
        return answer
    if not sound:
        return answer
    return ForwardedAnswer(sound, content_type=_TYPES.get(requested, "application/octet-stream"))
