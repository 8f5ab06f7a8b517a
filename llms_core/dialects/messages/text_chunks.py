"""Recognizes chunks that differ only in their text, as most of a stream's do. Speed only: no event depends on it."""

from __future__ import annotations

from msgspec import Raw


class TextChunks:
    """What surrounds the text in the chunks of one stream, learned from the first of them."""

    def __init__(self) -> None:
        # No JSON begins like this.
        self._prefix = b"\0"
        self._suffix = b""

    def text(self, data: bytes) -> bytes | None:
        """Return the text of a chunk, as it is within JSON's quotes; None if the chunk has to be decoded."""
        if not (data.startswith(self._prefix) and data.endswith(self._suffix)):
            return None
        text = data[len(self._prefix) : -len(self._suffix)]
        # With a quote in it, escaped or not, it may be more than a text.
        if b'"' in text or not text:
            return None
        return text

    def learn(self, data: bytes, content: Raw) -> None:
        """Learn from a chunk whose delta has a text and nothing else that is written."""
        text = bytes(content)
        prefix, found, suffix = data.partition(text)
        if found and text not in suffix:
            self._prefix = prefix + b'"'
            self._suffix = b'"' + suffix
