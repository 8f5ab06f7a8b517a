"""The size of images, from the beginning of their files."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms_core.images.dimensions import dimensions
from tests.core.images.conftest import encoded, picture

FORMATS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "JPEG": {},
    "progressive JPEG": {"progressive": True},
    "JPEG with EXIF": {"exif": b"Exif\0\0" + bytes(60_000)},
    "GIF": {},
    "WEBP": {},
    "lossless WEBP": {"lossless": True},
    "animated WEBP": {"save_all": True, "append_images": [picture(16, 16)]},
}


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (257, 3), (1537, 1025)], ids=str)
@pytest.mark.parametrize("name", FORMATS)
def test_every_format(name: str, size: tuple[int, int]) -> None:
    options = dict(FORMATS[name])
    if "append_images" in options:
        options["append_images"] = [picture(*size)]
    kind = next(kind for kind in ("PNG", "JPEG", "GIF", "WEBP") if kind in name)
    assert dimensions(encoded(picture(*size), kind, **options)) == size


@pytest.mark.parametrize(
    "data", [b"", b"%PDF-1.7", encoded(picture(5, 5), "BMP"), b"\xff\xd8\xff\xd9", b"RIFF"]
)
def test_other_files(data: bytes) -> None:
    assert dimensions(data) is None


@given(
    st.sampled_from([b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8", b"RIFF\0\0\0\0WEBPVP8 "]),
    st.binary(max_size=99),
)
def test_any_bytes(beginning: bytes, rest: bytes) -> None:
    """They come from clients: whatever they are, no exception and no endless loop."""
    found = dimensions(beginning + rest)
    assert found is None or all(side >= 0 for side in found)


@given(st.sampled_from([*FORMATS][:3]), st.integers(0, 60))
def test_files_that_are_cut_off(name: str, length: int) -> None:
    whole = encoded(picture(20, 10), name.rpartition(" ")[2], **FORMATS[name])
    assert dimensions(whole[:length]) in (None, (20, 10))
