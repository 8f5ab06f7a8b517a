"""Files inside of requests and answers, as `data:` URIs."""

from __future__ import annotations

import base64
import binascii
import re

#: Members that hold files. In any other, a `data:` URI is a text that the model reads.
_MEMBERS = frozenset({"data", "file_data", "image", "image_url", "url"})

_FILE = re.compile(r"data:[^,]{0,200};base64,[A-Za-z0-9+/=\s]*")

#: Media types of files that models read as text.
_TEXT = re.compile(
    r"data:(?:text/|application/[^;,]*(?:json|xml|yaml|javascript|csv|markdown))", re.IGNORECASE
)


def is_file(text: str, member: str) -> bool:
    """Whether the text of a member is a file, whose bytes are no text."""
    return member in _MEMBERS and text.startswith("data:") and _FILE.fullmatch(text) is not None


def text_file(uri: str) -> str | None:
    """Return what is in a file that is a text; None if it is none."""
    if _TEXT.match(uri) is None:
        return None
    try:
        return base64.b64decode(uri.partition(",")[2]).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def with_text(uri: str, text: str) -> str:
    """Return a file with another text."""
    head = uri.partition(",")[0]
    return f"{head},{base64.b64encode(text.encode()).decode()}"
