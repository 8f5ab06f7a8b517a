"""Images to make smaller, and a gateway for them."""

from __future__ import annotations

import base64
import io
import random
from typing import Any

from PIL import Image

from tests.core.server.conftest import ask, asking, first, pair, plugin, wire

__all__ = ["ask", "asking", "first", "pair", "plugin", "wire"]


def picture(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """A picture of soft blots, always the same."""
    columns, rows = max(1, width // 16), max(1, height // 16)
    pixels = random.Random(1).randbytes(columns * rows * len(Image.new(mode, (1, 1)).getbands()))
    return Image.frombytes(mode, (columns, rows), pixels).resize((width, height))


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    """The file of an image."""
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def data_uri(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def opened(data: bytes) -> Image.Image:
    """The image in a file, decoded."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image
