"""The content parts of a message: as much of each as is needed to check it and to translate it."""

from __future__ import annotations

import base64
import mimetypes
import re
from typing import Literal
from urllib.parse import unquote_to_bytes

import msgspec

from llms_core.errors import Unsupported

# A long run of base64's alphabet is data, not a path, even if it begins like one: the base64 of a JPEG begins with
# `/9j/`. Line breaks are allowed in base64.
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-\s]{64}")
_SCHEME = re.compile(r"(?:data|https?):", re.IGNORECASE)

# Shorter values are base64, too, unless they look like a path: absolute, relative, in the home directory, on Windows,
# or a file name with an extension.
_PATH_PREFIXES = ("/", ".", "~", "\\")
_PATH_CHARACTERS = re.compile(r"[.:\\]")


class ImageUrl(msgspec.Struct, frozen=True):
    """`image_url`."""

    #: an http(s) URL or a data URI
    url: str
    detail: str | None = None


class MediaUrl(msgspec.Struct, frozen=True):
    """`video_url` and `audio_url`: extensions of some providers, not in OpenAI's API."""

    url: str


class InputAudio(msgspec.Struct, frozen=True):
    """`input_audio`."""

    #: base64
    data: str
    #: `wav`, `mp3`, …
    format: str | None = None


class InputFile(msgspec.Struct, frozen=True):
    """`file`: a file in the request, or one that was uploaded before."""

    #: a data URI or base64
    file_data: str | None = None
    filename: str | None = None
    #: the id of an uploaded file
    file_id: str | None = None


class Part(msgspec.Struct, frozen=True):
    """One content part. `type` names the member that is set; parts of unknown types are passed on unchanged."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: ImageUrl | str | None = None
    video_url: MediaUrl | str | None = None
    audio_url: MediaUrl | str | None = None
    input_audio: InputAudio | None = None
    file: InputFile | None = None

    @property
    def has_references(self) -> bool:
        """Whether `references` may return any: quicker to find out, for requests with very many parts of text."""
        return (
            self.image_url is not None
            or self.video_url is not None
            or self.audio_url is not None
            or self.input_audio is not None
            or self.file is not None
        )

    def references(self) -> list[tuple[str, str, bool]]:
        """Return every URL and all file data of the part: (member, value, whether bare base64 is allowed there)."""
        found = []
        # All members are checked, whatever `type` is: a provider may look at another one.
        for member in ("image_url", "video_url", "audio_url"):
            value = getattr(self, member)
            if value is None:
                continue
            if isinstance(value, str):
                found.append((member, value, False))
            else:
                found.append((f"{member}.url", value.url, False))
        if self.input_audio is not None:
            found.append(("input_audio.data", self.input_audio.data, True))
        if self.file is not None and self.file.file_data is not None:
            found.append(("file.file_data", self.file.file_data, True))
        return found


def is_remote_or_inline(value: str, base64_allowed: bool) -> bool:
    """Whether `value` is an http(s) URL, a data URI or, if allowed, base64: anything but a local path (SR-039)."""
    if _SCHEME.match(value):
        return True
    if not base64_allowed:
        return False
    if _BASE64.match(value):
        return True
    looks_like_path = value.startswith(_PATH_PREFIXES) or _PATH_CHARACTERS.search(value)
    return not looks_like_path


NO_CONTENT = "(no content)"
"""Stands for an empty message where a provider requires one with a text that is not blank."""

MEDIA_FOLLOWS = "The result is in the next message of the user."
"""The result of a tool whose images or files are in a user's message, for providers without them in results."""


def media_label(call_id: str) -> str:
    """Return the text before the images and files of a tool's result in a user's message."""
    return f"The content of the result of the tool call {call_id}:"


Kind = Literal["image", "audio", "video", "document"]


class Media(msgspec.Struct, frozen=True):
    """An image, a recording or a document, from whichever member it came. Either `data` or `url` is set."""

    kind: Kind
    #: that of the bytes for an image, whatever was declared; ends with `/*` if only the kind is known
    mime: str
    #: base64
    data: str | None = None
    url: str | None = None
    filename: str | None = None
    detail: str | None = None


# How files of these image types begin.
_IMAGE_SIGNATURES = (
    ("image/png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("image/jpeg", re.compile(rb"\xff\xd8\xff")),
    ("image/gif", re.compile(rb"GIF8[79]a")),
    ("image/webp", re.compile(rb"RIFF....WEBP", re.DOTALL)),
    ("image/avif", re.compile(rb"....ftypavi[fs]", re.DOTALL)),
    ("image/heic", re.compile(rb"....ftyphe(?:i[cmsx]|v[cmsx])", re.DOTALL)),
    ("image/heif", re.compile(rb"....ftypm(?:if|sf)1", re.DOTALL)),
)
# The characters of base64 that hold the longest signature, with room for a line break.
_SIGNATURE_CHARACTERS = 24
_URL_SAFE = str.maketrans("-_", "+/")

_DATA_URI = re.compile(r"data:([^;,]*)((?:;[^;,]*)*?)(;base64)?,", re.IGNORECASE)
_KIND_OF_URL: dict[str, Kind] = {"image_url": "image", "audio_url": "audio", "video_url": "video"}
_KIND_OF_MIME: dict[str, Kind] = {"image": "image", "audio": "audio", "video": "video"}

# Formats of `input_audio` whose media type is not `audio/<format>`.
_AUDIO_TYPES = {"mp3": "audio/mpeg", "m4a": "audio/mp4", "pcm16": "audio/pcm"}


def media(part: Part, param: str = "messages") -> Media | None:
    """Return the media of a part; None if it is text. Raises Unsupported, naming `param`, for an unknown type."""
    match part:
        case Part(type="text" | "refusal"):
            return None
        case Part(type="input_audio", input_audio=InputAudio() as audio):
            return _audio(audio)
        case Part(type="file", file=InputFile(file_data=str(data), filename=filename)):
            return _file(data, filename)
        case Part(type="image_url", image_url=ImageUrl() as image):
            return _linked("image_url", image.url, detail=image.detail)
    url = _url(part)
    if url is not None:
        return _linked(part.type, url)
    raise Unsupported(f"Content of type '{part.type}' is not supported here", param=param)


def image_type(data: str) -> str | None:
    """Return the media type of an image in base64, determined from its first bytes; None if they are not an image's."""
    beginning = "".join(data[:_SIGNATURE_CHARACTERS].split()).translate(_URL_SAFE)
    # Base64 decodes in groups of four characters.
    beginning = beginning[: len(beginning) // 4 * 4]
    try:
        content = base64.b64decode(beginning, validate=True)
    except ValueError:
        return None
    for mime, signature in _IMAGE_SIGNATURES:
        if signature.match(content):
            return mime
    return None


def standard_base64(data: str) -> str:
    """Return base64 in the usual alphabet, padded and without line breaks: many providers read no other form."""
    # Looking for one character at a time is many times as fast as the pattern, and most data is in order.
    if "-" in data or "_" in data:
        data = data.translate(_URL_SAFE)
    if any(space in data for space in " \n\r\t"):
        data = "".join(data.split())
    return data + "=" * (-len(data) % 4)


def text_of(content: str | list[Part] | None) -> str:
    """Return the text of a message's content, its parts concatenated."""
    if isinstance(content, list):
        return "".join(part.text or part.refusal or "" for part in content)
    return content or ""


def _audio(audio: InputAudio) -> Media:
    name = audio.format or "wav"
    return _media("audio", audio.data, _AUDIO_TYPES.get(name, f"audio/{name}"))


def _file(data: str, filename: str | None) -> Media:
    guessed_type, _ = mimetypes.guess_type(filename or "")
    found = _media("document", data, guessed_type or "application/pdf", filename=filename)
    kind = _KIND_OF_MIME.get(found.mime.partition("/")[0])
    if kind:
        return msgspec.structs.replace(found, kind=kind)
    return found


def _url(part: Part) -> str | None:
    """Return the URL of an `image_url`, `video_url` or `audio_url` part; None for other types."""
    if part.type not in _KIND_OF_URL:
        return None
    value: ImageUrl | MediaUrl | str | None = getattr(part, part.type)
    if value is None or isinstance(value, str):
        return value
    return value.url


def _linked(member: str, url: str, *, detail: str | None = None) -> Media:
    kind = _KIND_OF_URL[member]
    guessed_type = None
    # The type of a data URI is in the URI itself.
    if not url.startswith("data:"):
        path, _, _ = url.partition("?")
        guessed_type, _ = mimetypes.guess_type(path)
    return _media(kind, url, guessed_type or f"{kind}/*", detail=detail)


def _media(
    kind: Kind, value: str, mime: str, *, filename: str | None = None, detail: str | None = None
) -> Media:
    """Return the media of a data URI, a URL or base64. `mime` is used unless a data URI has its own."""
    uri = _DATA_URI.match(value)
    if uri is not None:
        data = value[uri.end() :]
        declared = uri[1].lower()
        if uri[3]:
            data = standard_base64(data)
        elif declared == "base64":
            # Written without a type, and without the semicolon before.
            declared = ""
            data = standard_base64(data)
        else:
            # Percent-encoded text.
            data = base64.b64encode(unquote_to_bytes(data)).decode()
        mime = declared or mime
    elif _SCHEME.match(value):
        return Media(kind, mime, url=value, filename=filename, detail=detail)
    else:
        data = standard_base64(value)
    if kind in ("image", "document"):
        # Clients often declare a wrong type, or none, and providers reject an image of another type than declared.
        mime = image_type(data) or mime
    return Media(kind, mime, data=data, filename=filename, detail=detail)
