"""Decoding compressed bodies."""

from __future__ import annotations

import gzip
import random
import sys
import zlib
from collections.abc import Callable

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard

from llms_core.errors import ErrorKind, ProviderError
from llms_core.upstream.compression import BodyDecoder, create_decoder

TEXT = b"Hello! " * 5000
#: A frame of zstd without data.
SKIPPED = b"\x50\x2a\x4d\x18\x03\0\0\0abc"
RAW_DEFLATE = zlib.compress(TEXT)[2:-4]

ENCODED = {
    "gzip": ("gzip", gzip.compress(TEXT)),
    "x-gzip": ("X-GZIP", gzip.compress(TEXT)),
    "two members": ("gzip", gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:])),
    "zeros after the end": ("gzip", gzip.compress(TEXT) + b"\0\0"),
    "deflate": ("deflate", zlib.compress(TEXT)),
    "deflate without a header": ("deflate", RAW_DEFLATE),
    "twice": ("deflate, gzip", gzip.compress(zlib.compress(TEXT))),
    "identity among others": ("identity, gzip", gzip.compress(TEXT)),
    "frames of zstd": (
        "zstd",
        zstandard.compress(TEXT[:100]) + SKIPPED + zstandard.compress(TEXT[100:]),
    ),
}


def decoded(encoding: str, pieces: list[bytes], max_bytes: int = 2**20) -> bytes:
    decoder = BodyDecoder(encoding, max_bytes)
    result = []
    for piece in pieces:
        result.append(decoder.feed(piece))
        while decoder.has_more:
            result.append(decoder.feed(b""))
    decoder.finish()
    return b"".join(result)


@pytest.mark.parametrize("case", ENCODED)
@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_a_body_is_decoded_however_it_is_split(case: str, size: int) -> None:
    encoding, data = ENCODED[case]
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    assert decoded(encoding, pieces) == TEXT


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_a_body_that_is_not_encoded_needs_no_decoder(encoding: str) -> None:
    assert create_decoder(encoding, 100) is None


def test_an_empty_body_is_complete() -> None:
    assert decoded("gzip", []) == b""


@pytest.mark.parametrize("cut", [1, 10, 30])
@pytest.mark.parametrize("case", ["gzip", "frames of zstd"])
def test_a_truncated_body_is_an_error(case: str, cut: int) -> None:
    encoding, data = ENCODED[case]
    with pytest.raises(ProviderError, match="ended too early") as caught:
        decoded(encoding, [data[:-cut]])
    assert caught.value.kind is ErrorKind.NETWORK


def test_a_small_body_cannot_expand_without_limit() -> None:
    bomb = gzip.compress(bytes(50 * 2**20))
    assert len(BodyDecoder("gzip", 2**20).feed(bomb)) <= 256 * 1024
    with pytest.raises(ProviderError, match="exceeds 1048576 bytes") as caught:
        decoded("gzip", [bomb])
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


@pytest.mark.parametrize("encoding", ["lzma", "gzip, gzip, gzip", "gzip;q=1"])
def test_an_unknown_coding_is_an_error(encoding: str) -> None:
    with pytest.raises(ProviderError) as caught:
        decoded(encoding, [b"x"])
    assert caught.value.kind is ErrorKind.NETWORK


@pytest.mark.parametrize(
    ("encoding", "libraries"),
    [
        ("br", ["brotli", "brotlicffi"]),
        ("zstd", ["compression.zstd", "backports.zstd", "zstandard"]),
    ],
)
def test_a_coding_without_a_library_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch, encoding: str, libraries: list[str]
) -> None:
    for name in libraries:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ProviderError, match=f"'{encoding}'.*install {libraries[-1]}"):
        decoded(encoding, [b"x"])


def brotli_of(data: bytes) -> bytes:
    compressed: bytes = brotli.compress(data)
    return compressed


#: Codings that are not requested, and how they are made.
UNREQUESTED: dict[str, Callable[[bytes], bytes]] = {
    "br": brotli_of,
    "zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("encoding", UNREQUESTED)
@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_a_coding_that_was_not_requested_is_decoded_if_a_library_is_installed(
    encoding: str, size: int
) -> None:
    noise = random.Random(1).randbytes(300_000) if size > 1 else b""
    text = TEXT + noise
    data = UNREQUESTED[encoding](text)
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    assert decoded(encoding, pieces) == text
    assert decoded(encoding, [*pieces, b"\0"]) == text
    with pytest.raises(ProviderError, match="ended too early"):
        decoded(encoding, [*pieces[:-1], pieces[-1][:-1]])


@pytest.mark.parametrize("encoding", UNREQUESTED)
def test_codings_may_be_combined(encoding: str) -> None:
    text = bytes(700_000)
    data = UNREQUESTED[encoding](text)
    assert decoded(f"{encoding}, gzip", [gzip.compress(data)]) == text
    assert decoded(f"gzip, {encoding}", [UNREQUESTED[encoding](gzip.compress(text))]) == text
    assert decoded(f"{encoding}, {encoding}", [UNREQUESTED[encoding](data)]) == text


@pytest.mark.parametrize("encoding", UNREQUESTED)
def test_no_coding_can_expand_without_limit(encoding: str) -> None:
    """64 bytes of brotli can become 80 MB."""
    bomb = UNREQUESTED[encoding](bytes(2**27))
    assert len(BodyDecoder(encoding, 2**30).feed(bomb[:64])) <= 2 * 2**20
    with pytest.raises(ProviderError, match="exceeds 1048576 bytes") as caught:
        decoded(encoding, [bomb])
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


class OldDecompressor:
    """Brotli before 1.2."""

    def process(self, data: bytes) -> bytes:
        return data


def test_a_library_that_cannot_limit_what_it_decodes_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(brotli, "Decompressor", OldDecompressor)
    with pytest.raises(ProviderError, match=r"update brotli to 1\.2"):
        decoded("br", [b"x"])


@pytest.mark.parametrize("encoding", UNREQUESTED)
def test_data_that_is_not_encoded_as_announced_is_an_error(encoding: str) -> None:
    with pytest.raises(ProviderError, match="cannot be decompressed"):
        decoded(encoding, [b"Hello, this is no such data"])
