"""The parts of a user's turn, and of a function's result, as chat's content parts."""

from __future__ import annotations

import mimetypes
import re
from typing import Any

from llms_core.contracts.content import standard_base64
from llms_core.dialects.gemini.request import Blob, FileData, Part, invalid

Json = dict[str, Any]

_URL = re.compile(r"https?://", re.IGNORECASE)
#: Files that only Google can read: https://ai.google.dev/api/files and Google Cloud Storage.
_UPLOADED = re.compile(r"gs://|files/|https://generativelanguage\.googleapis\.com/")
_MIME_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(?:;[^,]*)?")

#: chat's names for formats of sound that are not the end of their media type.
_AUDIO_FORMATS = {"mpeg": "mp3", "mp4": "m4a", "x-wav": "wav", "wave": "wav", "x-m4a": "m4a"}


def content_part(part: Part, param: str) -> Json:
    """Return a part of chat. Raises RequestError for a part without content, and one that users cannot send."""
    if part.text is not None:
        return {"type": "text", "text": part.text}
    if part.inline_data is not None:
        return _inline(part.inline_data, f"{param}.inlineData")
    if part.file_data is not None:
        return _linked(part.file_data, f"{param}.fileData")
    raise invalid(
        param, "expected a part with one of text, inlineData, fileData and functionResponse"
    )


def data_uri(blob: Blob, param: str) -> str:
    """Return inline data as a data URI. Google's SDKs use base64's alphabet for URLs, which others do not read."""
    if not _MIME_TYPE.fullmatch(blob.mime_type):
        raise invalid(f"{param}.mimeType", "expected a media type such as image/png")
    if not blob.data:
        raise invalid(f"{param}.data", "expected the file's bytes in base64")
    return f"data:{blob.mime_type};base64,{standard_base64(blob.data)}"


def _inline(blob: Blob, param: str) -> Json:
    uri = data_uri(blob, param)
    kind, _, subtype = blob.mime_type.lower().partition(";")[0].partition("/")
    match kind:
        case "image":
            return {"type": "image_url", "image_url": {"url": uri}}
        case "audio":
            audio = {
                "data": standard_base64(blob.data),
                "format": _AUDIO_FORMATS.get(subtype, subtype),
            }
            return {"type": "input_audio", "input_audio": audio}
        case "video":
            return {"type": "video_url", "video_url": {"url": uri}}
    return {"type": "file", "file": {"file_data": uri, "filename": _name(blob)}}


def _linked(file: FileData, param: str) -> Json:
    uri = file.file_uri
    if _UPLOADED.match(uri):
        return {"type": "file", "file": {"file_id": uri, "filename": _name(file)}}
    if not _URL.match(uri):
        problem = "expected an http(s) URL, or a file that was uploaded to Google; local files are not read over HTTP"
        raise invalid(f"{param}.fileUri", problem)
    # Videos on YouTube have no type.
    kind = (file.mime_type or mimetypes.guess_type(uri)[0] or "video/mp4").lower().partition("/")[0]
    match kind:
        case "image" | "audio" | "video":
            return {"type": f"{kind}_url", f"{kind}_url": {"url": uri}}
    return {"type": "file", "file": {"file_data": uri, "filename": _name(file)}}


def _name(file: Blob | FileData) -> str:
    """Return a name whose end tells the type, for providers that go by it."""
    if file.display_name:
        return file.display_name
    if file.mime_type.startswith("text/plain"):
        return "document.txt"
    return f"document{mimetypes.guess_extension(file.mime_type) or '.pdf'}"
