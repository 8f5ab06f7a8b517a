"""The media of content parts: their kind, their type and their data."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from llms_core.contracts.content import Media, Part, image_type, media

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(40)
IMAGES = {
    "image/png": b"\x89PNG\r\n\x1a\n" + bytes(40),
    "image/jpeg": JPEG,
    "image/gif": b"GIF89a" + bytes(40),
    "image/webp": b"RIFF\x10\x00\x00\x00WEBPVP8 " + bytes(40),
    "image/avif": b"\x00\x00\x00\x1cftypavif" + bytes(40),
    "image/heic": b"\x00\x00\x00\x18ftypheic" + bytes(40),
}


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def media_of(part: dict[str, Any]) -> Media:
    found = media(msgspec.convert(part, Part))
    assert found is not None
    return found


@pytest.mark.parametrize("mime", IMAGES)
def test_the_type_of_an_image_is_that_of_its_bytes(mime: str) -> None:
    data = encoded(IMAGES[mime])
    assert image_type(data) == mime
    for declared in ("image/png", "image/jpeg", "image/*", "application/octet-stream", ""):
        found = media_of(
            {"type": "image_url", "image_url": {"url": f"data:{declared};base64,{data}"}}
        )
        assert (found.kind, found.mime, found.data) == ("image", mime, data)


def test_an_image_is_recognized_in_any_spelling_of_base64() -> None:
    url_safe = base64.urlsafe_b64encode(b"GIF89a\xfb\xff\xbf" + bytes(20)).decode()
    assert image_type(url_safe) == "image/gif"
    assert image_type("/9j/\r\n4AAQSkZJRgAB") == "image/jpeg"


def wrapped(data: str) -> str:
    return "\r\n".join(data[start : start + 76] for start in range(0, len(data), 76))


SPELLINGS: dict[str, Callable[[str], str]] = {
    "without padding": lambda data: data.rstrip("="),
    "in lines": wrapped,
    "in URLs' alphabet": lambda data: data.translate(str.maketrans("+/", "-_")),
    "after a space": lambda data: f" {data}",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("part", ["image_url", "file", "bare file", "input_audio"])
def test_providers_get_base64_in_its_usual_form(part: str, spelling: str) -> None:
    """Claude and Bedrock refuse every other form, and clients send all of them."""
    data = encoded(JPEG + b"\xfb\xff\xbf" + bytes(100) + b"?")
    assert data.endswith("=")
    odd = SPELLINGS[spelling](data)
    uri = f"data:image/jpeg;base64,{odd}"
    parts: dict[str, dict[str, Any]] = {
        "image_url": {"type": "image_url", "image_url": {"url": uri}},
        "file": {"type": "file", "file": {"file_data": uri}},
        "bare file": {"type": "file", "file": {"file_data": odd}},
        "input_audio": {"type": "input_audio", "input_audio": {"data": odd, "format": "wav"}},
    }
    assert media_of(parts[part]).data == data


def test_base64_may_follow_without_a_type_and_a_semicolon() -> None:
    found = media_of({"type": "image_url", "image_url": {"url": f"data:base64,{encoded(JPEG)}"}})
    assert (found.mime, found.data) == ("image/jpeg", encoded(JPEG))


@pytest.mark.parametrize(
    "data",
    ["", "R", "R0lG", "not base64!", encoded(b"GIF is a format"), encoded(b"RIFF\0\0\0\0WAVE")],
)
def test_other_data_is_no_image(data: str) -> None:
    assert image_type(data) is None


def test_the_declared_type_remains_for_unknown_bytes() -> None:
    found = media_of({"type": "image_url", "image_url": {"url": "data:image/x-new;base64,AAAA"}})
    assert found.mime == "image/x-new"


def test_a_file_that_is_an_image_is_one_whatever_its_name() -> None:
    for file in ({"file_data": encoded(JPEG)}, {"file_data": encoded(JPEG), "filename": "a.pdf"}):
        found = media_of({"type": "file", "file": file})
        assert (found.kind, found.mime) == ("image", "image/jpeg")
    text = media_of(
        {"type": "file", "file": {"file_data": encoded(b"GIF or PNG?"), "filename": "a.txt"}}
    )
    assert (text.kind, text.mime) == ("document", "text/plain")
