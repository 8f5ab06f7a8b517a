"""Decoding compressed bodies."""

from __future__ import annotations

import gzip
import sys
import zlib

import pytest

from llms_core.errors import ErrorKind, ProviderError
from llms_core.upstream.compression import BodyDecoder, create_decoder

TEXT = b"Hello! " * 5000
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
def test_a_truncated_body_is_an_error(cut: int) -> None:
    with pytest.raises(ProviderError, match="ended too early") as caught:
        decoded("gzip", [gzip.compress(TEXT)[:-cut]])
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
    [("br", ["brotli", "brotlicffi"]), ("zstd", ["compression.zstd", "backports.zstd", "zstandard"])],
)
def test_a_coding_without_a_library_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch, encoding: str, libraries: list[str]
) -> None:
    for name in libraries:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ProviderError, match=f"'{encoding}'.*install {libraries[-1]}"):
        decoded(encoding, [b"x"])


def test_zstd_is_decoded_if_a_library_is_installed() -> None:
    zstandard = pytest.importorskip("zstandard")
    data = zstandard.ZstdCompressor().compress(TEXT)
    assert decoded("zstd", [data[:20], data[20:]]) == TEXT
    with pytest.raises(ProviderError, match="ended too early"):
        decoded("zstd", [data[:-1]])
    bomb = zstandard.ZstdCompressor().compress(bytes(2**26))
    with pytest.raises(ProviderError, match="exceeds"):
        decoded("zstd", [bomb])
