"""Content parts of a message: enough of each to check it, and for adapters to translate it."""

from __future__ import annotations

import base64
import mimetypes
import re
from typing import Literal
from urllib.parse import unquote_to_bytes

import msgspec

from llms_core.errors import Unsupported

# What no path can be: long runs of base64's alphabet. A short string, or one with another character, may be a path.
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-\s]{64}")
_SCHEME = re.compile(r"(?:data|https?):", re.IGNORECASE)


class ImageUrl(msgspec.Struct, frozen=True):
    """`image_url`: an http(s) URL or a data URI."""

    url: str
    detail: str | None = None


class MediaUrl(msgspec.Struct, frozen=True):
    """`video_url`, `audio_url`: as some providers extend OpenAI's parts."""

    url: str


class InputAudio(msgspec.Struct, frozen=True):
    """`input_audio`: base64 data and its format (`wav`, `mp3`, …)."""

    data: str
    format: str | None = None


class InputFile(msgspec.Struct, frozen=True):
    """`file`: a data URI or base64 data with its name, or the id of an uploaded file."""

    file_data: str | None = None
    filename: str | None = None
    file_id: str | None = None


class Part(msgspec.Struct, frozen=True):
    """One content part. `type` tells which member is set; parts of unknown types pass as they are."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: ImageUrl | str | None = None
    video_url: MediaUrl | str | None = None
    audio_url: MediaUrl | str | None = None
    input_audio: InputAudio | None = None
    file: InputFile | None = None

    def references(self) -> list[tuple[str, str, bool]]:
        """What the part refers to: (member, value, whether bare base64 is allowed there)."""
        found = []
        for member in ("image_url", "video_url", "audio_url"):
            value = getattr(self, member)
            if value is not None:
                found.append((member, value, False) if isinstance(value, str) else (f"{member}.url", value.url, False))
        if self.input_audio is not None:
            found.append(("input_audio.data", self.input_audio.data, True))
        if self.file is not None and self.file.file_data is not None:
            found.append(("file.file_data", self.file.file_data, True))
        return found


def is_remote_or_inline(value: str, base64_allowed: bool) -> bool:
    """Whether `value` is an http(s) URL, a data URI or (where allowed) base64 data: anything but a local path."""
    if _SCHEME.match(value):
        return True
    if not base64_allowed:
        return False
    return bool(_BASE64.match(value)) or (
        not value.startswith(("/", ".", "~", "\\")) and not re.search(r"[.:\\]", value)
    )


Kind = Literal["image", "audio", "video", "document"]


class Media(msgspec.Struct, frozen=True):
    """An image, a recording or a document, wherever it stood. Either `data` (base64) or `url` is set."""

    kind: Kind
    mime: str
    data: str | None = None
    url: str | None = None
    filename: str | None = None
    detail: str | None = None


_DATA_URI = re.compile(r"data:([^;,]*)((?:;[^;,]*)*?)(;base64)?,", re.IGNORECASE)
_KINDS: dict[str, Kind] = {
    "image_url": "image",
    "input_audio": "audio",
    "audio_url": "audio",
    "video_url": "video",
}
_AUDIO = {"wav": "audio/wav", "mp3": "audio/mpeg", "m4a": "audio/mp4", "pcm16": "audio/pcm"}


def media(part: Part, param: str = "messages") -> Media | None:
    """What a part that is no text shows; None for text. Raises Unsupported for a type that is not known."""
    if part.type == "input_audio" and part.input_audio is not None:
        sound = part.input_audio.format or "wav"
        return _media("audio", part.input_audio.data, _AUDIO.get(sound, f"audio/{sound}"))
    if part.type == "file" and part.file is not None and part.file.file_data is not None:
        mime = mimetypes.guess_type(part.file.filename or "")[0] or "application/pdf"
        found = _media("document", part.file.file_data, mime, filename=part.file.filename)
        kind = found.mime.partition("/")[0]
        return msgspec.structs.replace(found, kind=kind) if kind in ("image", "audio", "video") else found
    shown = {"image_url": part.image_url, "video_url": part.video_url, "audio_url": part.audio_url}.get(part.type)
    if shown is not None:
        url = shown if isinstance(shown, str) else shown.url
        detail = shown.detail if isinstance(shown, ImageUrl) else None
        guessed = mimetypes.guess_type(url.partition("?")[0])[0] if not url.startswith("data:") else None
        return _media(_KINDS[part.type], url, guessed or f"{_KINDS[part.type]}/*", detail=detail)
    if part.type in ("text", "refusal"):
        return None
    raise Unsupported(f"Content of type '{part.type}' is not supported here", param=param)


def _media(kind: Kind, text: str, mime: str, *, filename: str | None = None, detail: str | None = None) -> Media:
    found = _DATA_URI.match(text)
    if found is not None:
        data = text[found.end() :]
        if not found[3]:
            data = base64.b64encode(unquote_to_bytes(data)).decode()
        return Media(kind, found[1].lower() or mime, data=data, filename=filename, detail=detail)
    if _SCHEME.match(text):
        return Media(kind, mime, url=text, filename=filename, detail=detail)
    return Media(kind, mime, data=text, filename=filename, detail=detail)


def text_of(content: str | list[Part] | None) -> str:
    """The text of a message's content, its parts joined."""
    if isinstance(content, list):
        return "".join(part.text or part.refusal or "" for part in content)
    return content or ""
