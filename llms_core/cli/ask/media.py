"""Pictures, recordings and files of a request: paths, URLs and data URIs become the data that providers take.

What users name themselves is read, from their disk or from any server: the rules for clients of the gateway, who must
reach neither, do not apply to them.
"""

from __future__ import annotations

import base64
import binascii
import mimetypes
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

from llms_core.contracts.content import image_type
from llms_core.errors import ConfigError
from llms_core.upstream.fetch import MAX_FILE_BYTES, Fetcher

Json = dict[str, Any]

STDIN = "-"
"""The source that stands for standard input."""

#: Every network: the user names the URL.
_ANYWHERE = ("0.0.0.0/0", "::/0")
#: Characters of base64: a name in a path has at most 255.
_MIN_BASE64 = 1024
#: Characters of a source in messages.
_SHOWN = 200
_BEGINNINGS = {
    b"%PDF-": "application/pdf",
    b"ID3": "audio/mpeg",
    b"\xff\xfb": "audio/mpeg",
    b"OggS": "audio/ogg",
}

# The formats of `input_audio` whose name is not the second half of the media type.
_AUDIO_FORMATS = {
    "mpeg": "mp3",
    "x-wav": "wav",
    "wave": "wav",
    "vnd.wave": "wav",
    "mp4": "m4a",
    "x-m4a": "m4a",
}


class _Data(NamedTuple):
    media_type: str
    content: bytes
    name: str

    @property
    def uri(self) -> str:
        return f"data:{self.media_type};base64,{self.base64}"

    @property
    def base64(self) -> str:
        return base64.b64encode(self.content).decode()


async def part(fetcher: Fetcher, kind: str, source: str) -> Json:
    """Return the content part for a source; `kind` is `image`, `audio` or `file`. Raises ConfigError, Unsupported."""
    match kind:
        case "image":
            made = {"type": "image_url", "image_url": {"url": source}}
        case "audio":
            made = {"type": "input_audio", "input_audio": {"data": source}}
        case _:
            made = {"type": "file", "file": {"file_data": source}}
    await _load(fetcher, made)
    return made


async def load(fetcher: Fetcher, messages: Sequence[Json]) -> None:
    """Replace every path and URL in the content parts of messages by its data. Raises ConfigError, Unsupported."""
    for message in messages:
        content = message.get("content")
        if isinstance(content, list):
            for each in content:
                await _load(fetcher, each)


def fetcher() -> Fetcher:
    """Return what fetches the URLs that users name."""
    return Fetcher(_ANYWHERE)


async def _load(fetcher: Fetcher, part: Json) -> None:
    match part:
        case {"type": "image_url", "image_url": {"url": str(source)} as image}:
            data = await _read(fetcher, source, "image")
            image["url"] = data.uri
        case {"type": "input_audio", "input_audio": {"data": str(source)} as audio} if (
            not _is_base64(source)
        ):
            data = await _read(fetcher, source, "audio")
            audio["data"] = data.base64
            subtype = data.media_type.partition("/")[2]
            audio["format"] = _AUDIO_FORMATS.get(subtype, subtype)
        case {"type": "file", "file": {"file_data": str(source)} as file} if not _is_base64(source):
            data = await _read(fetcher, source, "file")
            file["file_data"] = data.uri
            file["filename"] = file.get("filename") or data.name


def _is_base64(source: str) -> bool:
    """Whether a source is the data itself, as it is in requests that were written for the API: no path is so long."""
    if len(source) < _MIN_BASE64:
        return False
    try:
        base64.b64decode(source, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


async def _read(fetcher: Fetcher, source: str, kind: str) -> _Data:
    """Return the data of a source. Raises ConfigError if it cannot be read, or is of another kind."""
    data = await _content(fetcher, source, kind)
    if kind != "file" and not data.media_type.startswith(f"{kind}/"):
        message = f"--{kind} {source[:_SHOWN]}: this is no {kind}, but {data.media_type}"
        raise ConfigError(message, hint="--file takes files of other types")
    return data


async def _content(fetcher: Fetcher, source: str, kind: str) -> _Data:
    scheme = source[:8].lower()
    if scheme.startswith("data:"):
        return _decoded(source, kind)
    if scheme.startswith(("http://", "https://")):
        media_type, content = await fetcher.fetch(source, f"--{kind}")
        return _Data(media_type, content, Path(urlsplit(source).path).name or "file")
    if source == STDIN:
        content = _limited(sys.stdin.buffer.read(MAX_FILE_BYTES + 1), "standard input", kind)
        return _Data(_detected(content, ""), content, "file")
    return _read_file(source, kind)


def _read_file(source: str, kind: str) -> _Data:
    path = Path(source).expanduser()
    try:
        with path.open("rb") as file:
            content = _limited(file.read(MAX_FILE_BYTES + 1), source, kind)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        hint = "a path, a URL, a data URI, or - for standard input"
        raise ConfigError(
            f"--{kind} {source[:_SHOWN]}: {reason or 'not a path'}", hint=hint
        ) from None
    return _Data(_detected(content, path.name), content, path.name)


def _decoded(uri: str, kind: str) -> _Data:
    """Decode a data URI."""
    head, comma, data = uri[5:].partition(",")
    media_type, *attributes = head.split(";")
    try:
        content = unquote_to_bytes(data)
        if "base64" in attributes:
            content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        comma = ""
    if not comma:
        raise ConfigError(f"--{kind}: the data URI is invalid", hint="data:TYPE;base64,DATA")
    return _Data(media_type.lower() or _detected(content, ""), content, "file")


def _limited(content: bytes, source: str, kind: str) -> bytes:
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(f"--{kind} {source}: the file exceeds {MAX_FILE_BYTES} bytes")
    if not content:
        raise ConfigError(f"--{kind} {source}: the file is empty")
    return content


def _detected(content: bytes, name: str) -> str:
    """Return the media type: that of an image is in its bytes, others follow from the file's name or its beginning."""
    found = image_type(base64.b64encode(content[:64]).decode())
    return found or mimetypes.guess_type(name)[0] or _by_beginning(content)


def _by_beginning(content: bytes) -> str:
    if content.startswith(b"RIFF") and content[8:12] == b"WAVE":
        return "audio/wav"
    for beginning, media_type in _BEGINNINGS.items():
        if content.startswith(beginning):
            return media_type
    return "application/octet-stream"
