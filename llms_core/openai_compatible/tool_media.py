"""Images and files in the results of tools, for which messages of tools have no room in OpenAI's API.

They follow the results in a message of the user, which refers to the call.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from llms_core.contracts.content import MEDIA_FOLLOWS, media_label
from llms_core.contracts.json import encode_raw
from llms_core.contracts.request import Message
from llms_core.openai_compatible.turns import RawMessage

#: Parts that a message of a tool cannot have; other types are a provider's own.
_MEDIA = frozenset({"image_url", "input_audio", "audio_url", "video_url", "file"})

_USER = encode_raw("user")
_TOOL = encode_raw("tool")

_decode_parts = msgspec.json.Decoder(list[Raw]).decode


class _Typed(msgspec.Struct):
    type: str


_decode_type = msgspec.json.Decoder(_Typed).decode


def has_tool_media(message: Message) -> bool:
    """Whether a message is the result of a tool with more in it than text."""
    if message.role != "tool" or not isinstance(message.content, list):
        return False
    return any(part.type in _MEDIA for part in message.content)


def without_tool_media(messages: Sequence[RawMessage]) -> list[RawMessage]:
    """Return the messages with the media of results in a user's message after all results of the turn."""
    result: list[RawMessage] = []
    media: list[Raw] = []
    for message in messages:
        if message["role"] != _TOOL:
            _append_media(result, media)
        elif bytes(message.get("content", b"")).startswith(b"["):
            message = _split(message, media)
        result.append(message)
    _append_media(result, media)
    return result


def _split(message: RawMessage, media: list[Raw]) -> RawMessage:
    """Return a result with its texts only; append everything else to `media`."""
    parts = _decode_parts(message["content"])
    texts = [part for part in parts if _decode_type(part).type not in _MEDIA]
    if len(texts) == len(parts):
        return message
    call_id = msgspec.json.decode(message.get("tool_call_id", b'""'))
    media.append(encode_raw({"type": "text", "text": media_label(call_id)}))
    media += [part for part in parts if _decode_type(part).type in _MEDIA]
    if not texts:
        return {**message, "content": encode_raw(MEDIA_FOLLOWS)}
    return {**message, "content": encode_raw(texts)}


def _append_media(result: list[RawMessage], media: list[Raw]) -> None:
    if media:
        result.append({"role": _USER, "content": encode_raw(media)})
        media.clear()
