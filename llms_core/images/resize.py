"""Makes one image smaller: the code of a process of its own, which reads a file from stdin and writes a JPEG to stdout.

It is run by its path, without the gateway's modules. The arguments are `Limits`, one after the other. On failure it
writes the reason to stderr, and the exit code is 1.
"""

from __future__ import annotations

import io
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from PIL.Image import Image

#: Pixels of an image that is decoded. A JPEG is decoded to about the size that is needed.
_MAX_PIXELS = 50_000_000
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
_QUALITIES = (85, 70, 55, 40)
_MAX_REDUCTIONS = 12
#: EXIF's tag, and its values for images that are shown turned by a quarter.
_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)


class Limits(NamedTuple):
    """What the result may have, and what the process may use."""

    #: in pixels
    width: int
    height: int
    #: of the result, in bytes
    size: int
    #: of the process, in bytes
    memory: int
    #: of the processor's time
    seconds: int


class Unsuitable(Exception):
    """The image cannot be made smaller."""


def main() -> None:
    """Resize the image on stdin. The first argument is the folder that has Pillow."""
    sys.path.append(sys.argv[1])
    limits = Limits(*map(int, sys.argv[2:]))
    data = sys.stdin.buffer.read()
    _restrict(limits)
    try:
        result = resize(data, limits)
    except Exception as error:
        sys.stderr.write(f"{type(error).__name__}: {error}")
        sys.exit(1)
    sys.stdout.buffer.write(result)


def resize(data: bytes, limits: Limits) -> bytes:
    """Return the image as a JPEG within the limits. Raises Unsuitable, or what Pillow raises."""
    from PIL import Image, ImageOps

    # There is a limit of our own below, for what a JPEG is reduced to while it is decoded.
    Image.MAX_IMAGE_PIXELS = None
    image: Image.Image = Image.open(io.BytesIO(data), formats=_FORMATS)
    # With twice the size there is enough to scale from. Which side is the width is not known yet.
    side = 2 * max(limits.width, limits.height)
    image.draft(None, (side, side))
    if image.width * image.height > _MAX_PIXELS:
        raise Unsuitable(f"it has {image.width}x{image.height} pixels, which are too many")
    # Not before: it decodes some images.
    orientation = image.getexif().get(_ORIENTATION)
    width, height = limits.width, limits.height
    if orientation in _TURNED:
        width, height = height, width
    image = _scalable(image)
    image.thumbnail((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return _encoded(_opaque(ImageOps.exif_transpose(image)), limits.size)


def _scalable(image: Image) -> Image:
    """Return an image whose pixels are colours, not entries of a palette, and whose channels have eight bits."""
    if image.mode in ("P", "PA", "1") or "transparency" in image.info:
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode.startswith(("I", "F")):
        raise Unsuitable(f"pixels of the type {image.mode} cannot be written as JPEG")
    return image


def _opaque(image: Image) -> Image:
    """Return the image on white ground, in the colours of a JPEG."""
    if image.mode in ("RGBA", "LA"):
        from PIL import Image

        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image)
    if image.mode == "RGB":
        return image
    return image.convert("RGB")


def _encoded(image: Image, max_bytes: int) -> bytes:
    """Return the image as a JPEG of at most `max_bytes`, at a lower quality and then smaller if need be."""
    for quality in _QUALITIES:
        data = _jpeg(image, quality)
        if len(data) <= max_bytes:
            return data
    for _ in range(_MAX_REDUCTIONS):
        image = image.resize((max(1, image.width * 3 // 4), max(1, image.height * 3 // 4)))
        data = _jpeg(image, _QUALITIES[-1])
        if len(data) <= max_bytes:
            return data
    raise Unsuitable(f"it does not fit {max_bytes} bytes")


def _jpeg(image: Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def _restrict(limits: Limits) -> None:
    """Limit what this process may use. Windows has no such limits; there the parent's limit of time remains."""
    with suppress(ImportError):
        import resource

        # More than a process may have at all cannot be set, and need not.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_CPU, (limits.seconds, limits.seconds))


if __name__ == "__main__":
    main()
