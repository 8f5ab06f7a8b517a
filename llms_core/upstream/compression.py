"""Decodes compressed bodies piece by piece, with a limit on the decoded size.

Only gzip is requested. Other codings come from servers and proxies that do not ask: deflate needs no library; br and
zstd are decoded if one is installed.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import zlib
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from llms_core.errors import ErrorKind, ProviderError
from llms_core.secret import redact

log = logging.getLogger(__name__)

#: The value of the Accept-Encoding header. Without the header, any coding would be acceptable (RFC 9110, 12.5.3).
ACCEPT_ENCODING = "gzip"

# Bytes that are decoded at a time: a few compressed bytes can expand to gigabytes.
_MAX_PIECE = 256 * 1024

# Bytes that are passed at a time to a library whose output cannot be limited. 64 bytes of zstd expand to 2 MB at most.
_SLICE = 64

# More codings than this are an attack: each can multiply the size.
_MAX_CODINGS = 2

_GZIP_WBITS = zlib.MAX_WBITS | 16
_GZIP_MAGIC = b"\x1f"

# The first bytes of frames of zstd: with data, and 16 kinds to be skipped.
_ZSTD_MAGIC = b"\x28" + bytes(range(0x50, 0x60))

# Bytes of zlib's header.
_ZLIB_HEADER = 2


class Decoder(Protocol):
    """Decodes one coding."""

    def feed(self, data: bytes) -> bytes:
        """Decode some of `data` and what is left over from before. Raises an exception of the library."""

    @property
    def has_more(self) -> bool:
        """Whether `feed(b"")` would return more."""

    @property
    def finished(self) -> bool:
        """Whether the data has been decoded to its end."""


class BodyDecoder:
    """Decodes a body that has been encoded with one or more codings, up to `max_bytes`."""

    def __init__(self, content_encoding: str, max_bytes: int):
        self._content_encoding = content_encoding
        self._max_bytes = max_bytes
        #: created with the first piece: an error response whose body cannot be decoded still has its status
        self._decoders: list[Decoder] = []
        self._size = 0
        self._is_empty = True

    def feed(self, data: bytes) -> bytes:
        """Return the next decoded bytes, possibly none. While `has_more` is true, call it again with b"".

        Raises ProviderError if the body cannot be decoded or is too large.
        """
        if self._is_empty:
            self._decoders = _create_decoders(self._content_encoding)
            self._is_empty = False
        try:
            for decoder in self._decoders:
                data = decoder.feed(data)
        except Exception as error:
            log.debug("a body cannot be decompressed: %r", error)
            raise ProviderError(ErrorKind.NETWORK, "The body cannot be decompressed") from None
        self._size += len(data)
        if self._size > self._max_bytes:
            raise ProviderError(
                ErrorKind.BAD_RESPONSE, f"The answer exceeds {self._max_bytes} bytes"
            )
        return data

    @property
    def has_more(self) -> bool:
        """Whether decoded bytes are left over."""
        return any(decoder.has_more for decoder in self._decoders)

    def finish(self) -> None:
        """Check that the body was complete. Raises ProviderError if it was not."""
        if self._is_empty:
            return
        if not all(decoder.finished for decoder in self._decoders):
            raise ProviderError(ErrorKind.NETWORK, "The compressed body ended too early")


def create_decoder(content_encoding: str, max_bytes: int) -> BodyDecoder | None:
    """Return a decoder for the value of a Content-Encoding header; None if the body is not encoded."""
    if not content_encoding or content_encoding.strip().lower() == "identity":
        return None
    return BodyDecoder(content_encoding, max_bytes)


async def read_decoded(decoder: BodyDecoder, read: Callable[[], Awaitable[bytes]]) -> bytes:
    """Return the next decoded bytes of a body whose pieces `read` returns; b"" at the end. Raises ProviderError."""
    while True:
        if decoder.has_more:
            # Without this, a body that expands a thousandfold would keep every other task from running.
            await asyncio.sleep(0)
            piece = b""
        else:
            piece = await read()
            if not piece:
                decoder.finish()
                return b""
        decoded = decoder.feed(piece)
        # A piece can decode to nothing, but b"" means the end.
        if decoded:
            return decoded


def _create_decoders(content_encoding: str) -> list[Decoder]:
    """Create the decoders in the order of their use: the coding that is named last was applied last.

    Raises ProviderError if a coding is unknown or its library is not installed.
    """
    codings = [coding.strip().lower() for coding in content_encoding.split(",")]
    codings = [coding for coding in codings if coding not in ("", "identity")]
    if len(codings) > _MAX_CODINGS:
        raise ProviderError(ErrorKind.NETWORK, f"The body is encoded {len(codings)} times")
    decoders = []
    for coding in reversed(codings):
        factory = _FACTORIES.get(coding)
        if factory is None:
            message = f"The body has the unknown content-encoding '{redact.truncated(coding, 50)}'"
            raise ProviderError(ErrorKind.NETWORK, message)
        decoders.append(factory())
    return decoders


class _Zlib:
    """gzip, also of several members, and deflate with or without zlib's header."""

    def __init__(self, wbits: int):
        self._wbits = wbits
        self._decompressor = zlib.decompressobj(wbits)
        self._pending = b""
        #: what was fed before zlib's header was complete
        self._header = b""

    def feed(self, data: bytes) -> bytes:
        data = self._pending + data
        self._pending = b""
        if self._decompressor.eof and not self._begin_member(data):
            return b""
        try:
            decoded = self._decompressor.decompress(data, _MAX_PIECE)
        except zlib.error:
            if self._wbits != zlib.MAX_WBITS or len(self._header) >= _ZLIB_HEADER:
                raise
            decoded = self._decompress_raw(self._header + data)
        if len(self._header) < _ZLIB_HEADER:
            self._header += data[:_ZLIB_HEADER]
        self._pending = self._decompressor.unconsumed_tail or self._decompressor.unused_data
        return decoded

    def _begin_member(self, data: bytes) -> bool:
        """Begin with the next member of gzip; anything else behind the end is ignored."""
        if self._wbits != _GZIP_WBITS or not data.startswith(_GZIP_MAGIC):
            return False
        self._decompressor = zlib.decompressobj(self._wbits)
        return True

    def _decompress_raw(self, data: bytes) -> bytes:
        """Some servers send deflate without the header of zlib, which RFC 9110 requires."""
        self._wbits = -zlib.MAX_WBITS
        self._decompressor = zlib.decompressobj(self._wbits)
        return self._decompressor.decompress(data, _MAX_PIECE)

    @property
    def has_more(self) -> bool:
        return bool(self._pending)

    @property
    def finished(self) -> bool:
        return self._decompressor.eof


class _Zstd:
    """A decompressor of the shape of `compression.zstd`'s, whose output can be limited; one for each frame."""

    def __init__(self, create: Callable[[], Any]):
        self._create = create
        self._decompressor = create()
        self._pending = b""

    def feed(self, data: bytes) -> bytes:
        data = self._pending + data
        self._pending = b""
        if self._decompressor.eof:
            if not _begins_frame(data):
                return b""
            self._decompressor = self._create()
        decoded: bytes = self._decompressor.decompress(data, _MAX_PIECE)
        if self._decompressor.eof:
            self._pending = self._decompressor.unused_data
        return decoded

    @property
    def has_more(self) -> bool:
        return bool(self._pending) or not (self._decompressor.eof or self._decompressor.needs_input)

    @property
    def finished(self) -> bool:
        return bool(self._decompressor.eof)


class _Brotli:
    """Brotli, which has more to return until it returns nothing. 64 bytes of it can expand to 80 MB."""

    def __init__(self, decompressor: Any):
        self._decompressor = decompressor
        #: what may not be handed over before everything else has been decoded
        self._pending = b""
        self._is_drained = True

    def feed(self, data: bytes) -> bytes:
        if self.finished:
            return b""
        data = self._pending + data
        self._pending = b""
        if not self._is_drained:
            self._pending = data
            data = b""
        decoded: bytes = self._decompressor.process(data, output_buffer_limit=_MAX_PIECE)
        self._is_drained = not decoded
        return decoded

    @property
    def has_more(self) -> bool:
        return not self.finished and (bool(self._pending) or not self._is_drained)

    @property
    def finished(self) -> bool:
        return bool(self._decompressor.is_finished())


class _SlicedZstd:
    """A decompressor whose output cannot be limited: it gets few bytes at a time instead."""

    def __init__(self, create: Callable[[], Any]):
        self._create = create
        self._decompressor = create()
        self._pending = b""

    def feed(self, data: bytes) -> bytes:
        data = self._pending + data
        decoded = []
        size = 0
        position = 0
        while position < len(data) and size < _MAX_PIECE:
            taken = data[position : position + _SLICE]
            if self._decompressor.eof:
                if not _begins_frame(taken):
                    position = len(data)
                    break
                self._decompressor = self._create()
            piece = self._decompressor.decompress(taken)
            # What follows a frame belongs to the next one.
            position += len(taken) - len(self._decompressor.unused_data)
            decoded.append(piece)
            size += len(piece)
        self._pending = data[position:]
        return b"".join(decoded)

    @property
    def has_more(self) -> bool:
        return bool(self._pending)

    @property
    def finished(self) -> bool:
        return bool(self._decompressor.eof)


def _begins_frame(data: bytes) -> bool:
    """Whether another frame of zstd follows the end of one (RFC 8878, 3.1); anything else there is ignored."""
    return bool(data) and data[0] in _ZSTD_MAGIC


def _gzip() -> Decoder:
    return _Zlib(_GZIP_WBITS)


def _deflate() -> Decoder:
    return _Zlib(zlib.MAX_WBITS)


def _brotli() -> Decoder:
    library = _import("br", "brotli", "brotlicffi")
    decompressor = library.Decompressor()
    if not hasattr(decompressor, "can_accept_more_data"):
        message = (
            "The provider compressed its answer with 'br', although only gzip was requested; update "
            f"{library.__name__} to 1.2, which can limit the memory that decoding takes"
        )
        raise ProviderError(ErrorKind.NETWORK, message)
    return _Brotli(decompressor)


def _zstd() -> Decoder:
    # In this order: the standard library from Python 3.14 on, its backport, and the older binding.
    library = _import("zstd", "compression.zstd", "backports.zstd", "zstandard")
    if library.__name__ != "zstandard":
        return _Zstd(library.ZstdDecompressor)
    return _SlicedZstd(library.ZstdDecompressor().decompressobj)


_FACTORIES: dict[str, Callable[[], Decoder]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}


def _import(coding: str, *names: str) -> Any:
    """Import the first library of `names` that is installed. Raises ProviderError if none is."""
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    message = (
        f"The provider compressed its answer with '{coding}', although only {ACCEPT_ENCODING} was requested; "
        f"install {names[-1]} to decode it"
    )
    raise ProviderError(ErrorKind.NETWORK, message)
