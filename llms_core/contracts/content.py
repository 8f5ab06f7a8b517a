"""Content parts of a message: enough of each to check it, and for adapters to translate it."""

from __future__ import annotations

import re

import msgspec

# What no path can be: long runs of base64's alphabet. A short string, or one with another character, may be a path.
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-\s]{64}")
_SCHEME = re.compile(r"(?:data|https?):", re.IGNORECASE)


class ImageUrl(msgspec.Struct):
    """`image_url`: an http(s) URL or a data URI."""

    url: str
    detail: str | None = None


class MediaUrl(msgspec.Struct):
    """`video_url`, `audio_url`: as some providers extend OpenAI's parts."""

    url: str


class InputAudio(msgspec.Struct):
    """`input_audio`: base64 data and its format (`wav`, `mp3`, …)."""

    data: str
    format: str | None = None


class InputFile(msgspec.Struct):
    """`file`: a data URI or base64 data with its name, or the id of an uploaded file."""

    file_data: str | None = None
    filename: str | None = None
    file_id: str | None = None


class Part(msgspec.Struct):
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
