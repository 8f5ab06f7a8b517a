"""The width and height of an image, from the beginning of its file.

Pillow would tell them, too, but reserves memory for the whole image when it opens some files.
"""

from __future__ import annotations

import struct

Dimensions = tuple[int, int]
"""Width and height, in pixels."""

# Markers of JPEG that begin a frame: SOF0 … SOF15, without the three in between that mean something else.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Markers without a length.
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})


def dimensions(data: bytes) -> Dimensions | None:
    """Return the size of a PNG, JPEG, GIF or WebP image; None of anything else, and of what cannot be read."""
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return struct.unpack_from(">II", data, 16)
        if data.startswith((b"GIF87a", b"GIF89a")):
            return struct.unpack_from("<HH", data, 6)
        if data.startswith(b"\xff\xd8"):
            return _jpeg(data)
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _webp(data)
    except (struct.error, IndexError):
        # The file is too short.
        pass
    return None


def _jpeg(data: bytes) -> Dimensions | None:
    """Find the frame among the segments (ITU T.81, B.1.1)."""
    position = 2
    while data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # fill bytes
            position += 1
        elif marker in _STANDALONE:
            position += 2
        elif marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 5)
            return width, height
        else:
            (length,) = struct.unpack_from(">H", data, position + 2)
            # At least its own two bytes, so that this comes to an end.
            position += 2 + max(length, 2)
    return None


def _webp(data: bytes) -> Dimensions | None:
    """Read the first chunk (RFC 9649)."""
    match data[12:16]:
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", data, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            width = int.from_bytes(data[24:27], "little") + 1
            return width, int.from_bytes(data[27:30], "little") + 1
    return None
