"""The part of llms.json that says what is changed in requests."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

#: WIDTHxHEIGHT in pixels.
SIZE_PATTERN = r"^\s*[1-9]\d{0,5}\s*x\s*[1-9]\d{0,5}\s*$"


class ImageConversion(msgspec.Struct, kw_only=True):
    """When images in chats are made smaller, with Pillow. Without any member, none is."""

    max_size: Annotated[
        Annotated[str, Meta(pattern=SIZE_PATTERN)] | None,
        Meta(
            description="The largest width and height, in pixels. By default 1536x1024.",
            examples=["1536x1024"],
        ),
    ] = None
    max_length: Annotated[
        Annotated[int, Meta(ge=1, extra={"unit": "bytes"})] | None,
        Meta(examples=[1572864], description="The largest file, in bytes. By default 1572864."),
    ] = None


class Conversions(msgspec.Struct, kw_only=True):
    """What is changed in requests before they are sent."""

    #: when images in chats are made smaller; needs Pillow
    image: ImageConversion | None = None
