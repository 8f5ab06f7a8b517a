"""Images are made smaller in a process of their own, which has limits."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from llms_core.config.model import ImageLimits
from llms_core.images import process, resize
from llms_core.images.process import NotResized
from tests.core.images.conftest import encoded, opened, picture
from tests.core.server.conftest import until

pytestmark = pytest.mark.slow  # real processes

LIMITS = ImageLimits(width=160, height=100, size=20_000)


def resized(data: bytes, limits: ImageLimits = LIMITS) -> bytes:
    return asyncio.run(process.resized(data, limits))


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs another program in place of the one that resizes."""

    def write(source: str) -> None:
        path = tmp_path / "program.py"
        path.write_text(source, "utf-8")
        monkeypatch.setattr(resize, "__file__", str(path))

    return write


@pytest.mark.parametrize(
    ("image", "format", "options"),
    [
        (picture(320, 200), "PNG", {}),
        (picture(320, 200), "JPEG", {"quality": 95}),
        (picture(320, 200), "JPEG", {"progressive": True}),
        (picture(320, 200).convert("CMYK"), "JPEG", {}),
        (picture(320, 200).convert("L"), "JPEG", {}),
        (picture(320, 200, "RGBA"), "PNG", {}),
        (picture(320, 200, "LA"), "PNG", {}),
        (picture(320, 200).quantize(16), "PNG", {}),
        (picture(320, 200).convert("1"), "PNG", {}),
        (picture(320, 200), "PNG", {"transparency": (1, 2, 3)}),
        (picture(320, 200), "GIF", {"save_all": True, "append_images": [picture(320, 200)]}),
        (picture(320, 200, "RGBA"), "WEBP", {}),
    ],
)
def test_every_kind_of_image_fits_and_is_a_jpeg(
    image: Image.Image, format: str, options: dict[str, Any]
) -> None:
    data = resized(encoded(image, format, **options))
    result = opened(data)
    assert (result.format, result.mode, result.size) == ("JPEG", "RGB", (160, 100))
    assert len(data) <= LIMITS.size


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((320, 100), (160, 50)),
        ((100, 320), (31, 100)),
        ((1600, 2), (160, 1)),
        ((80, 200), (40, 100)),
    ],
)
def test_the_proportions_stay(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert opened(resized(encoded(picture(*size)))).size == expected


def test_an_image_that_only_has_too_many_bytes_keeps_its_size() -> None:
    data = encoded(picture(160, 100), compress_level=0)
    assert len(data) > LIMITS.size
    result = resized(data)
    assert opened(result).size == (160, 100)
    assert len(result) <= LIMITS.size


def test_an_image_is_made_smaller_until_its_bytes_fit() -> None:
    noise = Image.effect_noise((160, 100), 200).convert("RGB")
    result = resized(encoded(noise), ImageLimits(width=160, height=100, size=1200))
    assert len(result) <= 1200
    assert opened(result).width < 160


def test_transparent_is_white() -> None:
    image = Image.new("RGBA", (320, 200), (0, 0, 0, 0))
    assert opened(resized(encoded(image))).getpixel((80, 50)) == (255, 255, 255)


def test_a_photo_that_is_shown_turned_is_turned() -> None:
    """The JPEG that is made has no EXIF, which would say so, or where the photo was taken."""
    photo = Image.new("RGB", (320, 200), "white")
    photo.paste("black", (0, 0, 320, 100))
    exif = Image.Exif()
    exif[resize._ORIENTATION] = 6
    result = opened(resized(encoded(photo, "JPEG", exif=exif)))
    assert (result.width in (62, 63), result.height) == (True, 100)
    assert not result.getexif()
    # What was above is on the right now.
    assert result.getpixel((5, 50)) == (255, 255, 255)
    assert result.getpixel((57, 50)) == (0, 0, 0)


def test_the_colours_stay() -> None:
    colour = (200, 100, 50)
    result = opened(resized(encoded(Image.new("RGB", (320, 200), colour))))
    difference = ImageChops.difference(result, Image.new("RGB", result.size, colour))
    assert max(difference.tobytes()) < 5


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"not an image", "cannot identify image file"),
        (encoded(picture(320, 200))[:2000], "image file is truncated"),
        (encoded(picture(320, 200), "BMP"), "cannot identify image file"),
        (encoded(Image.new("1", (8000, 8000))), "it has 8000x8000 pixels, which are too many"),
        (encoded(Image.new("I;16", (320, 200))), "pixels of the type I;16"),
        (b"", "cannot identify image file"),
    ],
    ids=["text", "truncated", "another format", "a bomb", "16 bits", "nothing"],
)
def test_what_cannot_be_made_smaller(data: bytes, reason: str) -> None:
    with pytest.raises(NotResized, match=reason):
        resized(data)


def test_a_large_jpeg_is_no_bomb() -> None:
    """It is reduced while it is decoded."""
    data = encoded(Image.new("RGB", (12_000, 12_000), "white"), "JPEG")
    assert opened(resized(data)).size == (100, 100)


def test_what_cannot_fit_at_all() -> None:
    with pytest.raises(NotResized, match="it does not fit 10 bytes"):
        resized(encoded(picture(320, 200)), ImageLimits(width=160, height=100, size=10))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_memory_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MAX_MEMORY", 150 * 1024 * 1024)
    with pytest.raises(NotResized, match="MemoryError"):
        resized(encoded(Image.new("RGB", (7000, 7000))))


def test_time_is_limited(program: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And nothing of the process is left."""
    pid = tmp_path / "pid"
    program(f"import os\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\nwhile True: pass\n")
    monkeypatch.setattr(process, "TIMEOUT", 1.0)
    with pytest.raises(NotResized, match="it took longer than 1 s"):
        resized(b"x")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_the_process_ends_with_the_request(program: Any, tmp_path: Path) -> None:
    """A client that disconnects cancels the task."""
    pid = tmp_path / "pid"
    lines = [
        "import os, pathlib",
        f"pid = pathlib.Path({str(pid)!r})",
        "new = pid.with_suffix('.new')",
        "new.write_text(str(os.getpid()))",
        "new.rename(pid)",
        "while True: pass",
    ]
    program("\n".join(lines))

    async def cancelled() -> None:
        task = asyncio.create_task(process.resized(b"x", LIMITS))
        await asyncio.to_thread(until, pid.exists)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(cancelled())
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_crash_of_the_process_is_no_crash_of_ours(program: Any) -> None:
    program("import os\nos.abort()\n")
    with pytest.raises(NotResized, match="the process ended with -6"):
        resized(b"x" * 1_000_000)


def test_no_key_reaches_the_process(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does the current folder decide what it imports."""
    monkeypatch.setenv("GROQ_API_KEY", "sk-marked-of-groq")
    program("import os, sys\nsys.stdout.write(repr(dict(os.environ)) + repr(sys.path))\n")
    shown = resized(b"x").decode()
    assert "sk-marked" not in shown
    assert "''" not in shown
    assert str(Path.cwd()) not in shown
