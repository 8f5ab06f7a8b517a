"""Formats of images, audio, video and documents, and the names of documents.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
"""

from __future__ import annotations

import re
from pathlib import PurePath

from llms_core.contracts.content import Media

#: Bedrock's format by the second part of the MIME type, for each kind of media other than documents.
_FORMATS = {
    "image": {
        "png": "png",
        "jpeg": "jpeg",
        "jpg": "jpeg",
        "gif": "gif",
        "webp": "webp",
    },
    "audio": {
        "mpeg": "mp3",
        "mp3": "mp3",
        "wav": "wav",
        "x-wav": "wav",
        "wave": "wav",
        "vnd.wave": "wav",
        "aac": "aac",
        "flac": "flac",
        "x-flac": "flac",
        "mp4": "mp4",
        "m4a": "m4a",
        "x-m4a": "m4a",
        "ogg": "ogg",
        "opus": "opus",
        "webm": "webm",
        "x-matroska": "mka",
        "pcm": "pcm",
    },
    "video": {
        "mp4": "mp4",
        "quicktime": "mov",
        "x-matroska": "mkv",
        "webm": "webm",
        "x-flv": "flv",
        "mpeg": "mpeg",
        "x-ms-wmv": "wmv",
        "3gpp": "three_gp",
    },
}
#: Bedrock's format of a document by MIME type.
_DOCUMENT_FORMATS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
    "text/plain": "txt",
    "application/msword": "doc",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}

# Bedrock allows alphanumeric characters, single blanks, hyphens, parentheses and square brackets in names.
_FORBIDDEN_IN_NAME = re.compile(r"[^A-Za-z0-9()\[\]-]+")
#: Bedrock allows 200 characters; the rest is for a number.
_MAX_NAME_LENGTH = 180


def format_of(medium: Media) -> str | None:
    """Return Bedrock's format of a medium; None if Bedrock does not support it."""
    if medium.kind == "document":
        return _document_format(medium)
    return _FORMATS[medium.kind].get(medium.mime.partition("/")[2])


def _document_format(medium: Media) -> str | None:
    known = _DOCUMENT_FORMATS.get(medium.mime)
    if known is not None:
        return known
    # Clients often send documents as application/octet-stream or as a ZIP file.
    extension = PurePath(medium.filename or "").suffix.removeprefix(".").lower()
    if extension in _DOCUMENT_FORMATS.values():
        return extension
    # Source code, for example, can be read as plain text.
    return "txt" if medium.mime.startswith("text/") else None


class DocumentNames:
    """The names of the documents in one request, which have to differ."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        #: How often each base was asked for, so that the search for a free name does not begin anew each time.
        self._numbers: dict[str, int] = {}

    def unique(self, filename: str | None) -> str:
        """Return a name made from a file's name, of allowed characters, that no other document has."""
        stem = PurePath(filename or "").stem
        base = _FORBIDDEN_IN_NAME.sub(" ", stem).strip()[:_MAX_NAME_LENGTH] or "document"
        name = base
        number = self._numbers.get(base, 1)
        while name in self._used:
            number += 1
            name = f"{base} {number}"
        self._numbers[base] = number
        self._used.add(name)
        return name
