"""A response while it arrives: the connection's parser adds to it, and the request's task reads from it.

This is on the path of every chunk. Change it only with a measurement.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Protocol

from llms_core.errors import ErrorKind, ProviderError
from llms_core.secret import redact
from llms_core.upstream.compression import BodyDecoder, create_decoder, read_decoded


class Source(Protocol):
    """The connection that a response arrives on."""

    loop: asyncio.AbstractEventLoop
    #: whether the server is made to wait until what has arrived has been read
    reading_paused: bool

    def resume_reading(self) -> None:
        """Let the server send again."""

    def release(self, response: Http1Response, /) -> None:
        """Take the connection back: it is kept if the response was complete, and aborted otherwise."""

    def abort(self) -> None:
        """Close the socket at once."""


class Http1Response:
    """The response to one request."""

    __slots__ = (
        "_connection",
        "_decoder",
        "_headers",
        "complete",
        "error",
        "fields",
        "is_encoded",
        "pieces",
        "status",
        "unread",
        "waiter",
    )

    def __init__(self, connection: Source):
        #: 0 until the head has arrived
        self.status = 0
        #: the header fields as they arrived, which become `headers` when they are used
        self.fields: list[tuple[bytes, bytes]] = []
        #: whether there is a Content-Encoding, or a Transfer-Encoding besides chunks
        self.is_encoded = False
        #: what has arrived of the body, and not been read
        self.pieces: list[bytes] = []
        #: the size of `pieces`
        self.unread = 0
        #: whether the body has arrived completely
        self.complete = False
        #: why nothing more will arrive
        self.error: ProviderError | None = None
        #: what the request's task waits for; anything that arrives wakes it
        self.waiter: asyncio.Future[None] | None = None
        self._connection: Source | None = connection
        self._decoder: BodyDecoder | None = None
        self._headers: dict[str, str] | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields, by names in lower case. The values of a repeated field are joined by commas."""
        if self._headers is None:
            self._headers = _decode(self.fields)
        return self._headers

    def decode(self, max_bytes: int) -> None:
        """Decompress the body, up to `max_bytes`, if it is compressed. Raises ProviderError if that is impossible."""
        transfer_coding = self.headers.get("transfer-encoding", "chunked").lower()
        # "identity" is obsolete, and means nothing.
        if transfer_coding not in ("chunked", "identity"):
            shown = redact.truncated(transfer_coding, 50)
            message = f"The body has the transfer-encoding '{shown}', which is not supported"
            raise ProviderError(ErrorKind.NETWORK, message)
        self._decoder = create_decoder(self.headers.get("content-encoding", ""), max_bytes)

    def read(self) -> Coroutine[Any, Any, bytes]:
        """Return the next piece of the body as soon as it arrives; b"" at its end."""
        if self._decoder is None:
            return self._next_piece()
        return self._next_decoded(self._decoder)

    @property
    def exhausted(self) -> bool:
        """Whether the whole body has been read."""
        return self.complete and not self.pieces and self._decoder is None

    async def aclose(self) -> None:
        """Keep the connection for the next request if the body has arrived completely; abort it otherwise."""
        connection = self._connection
        if connection is not None:
            self._connection = None
            connection.release(self)

    def wake(self) -> None:
        """Let the request's task look at what has arrived."""
        waiter = self.waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def _next_piece(self) -> bytes:
        connection = self._connection
        if connection is None:
            raise ProviderError(ErrorKind.NETWORK, "The response has been released")
        while True:
            pieces = self.pieces
            if pieces:
                self.pieces = []
                self.unread = 0
                if connection.reading_paused:
                    connection.resume_reading()
                if len(pieces) == 1:
                    return pieces[0]
                return b"".join(pieces)
            if self.complete:
                return b""
            if self.error is not None:
                raise self.error
            self.waiter = connection.loop.create_future()
            try:
                await self.waiter
            except BaseException:
                connection.abort()
                raise
            finally:
                self.waiter = None

    async def _next_decoded(self, decoder: BodyDecoder) -> bytes:
        try:
            return await read_decoded(decoder, self._next_piece)
        except ProviderError:
            if self._connection is not None:
                self._connection.abort()
            raise


def _decode(fields: list[tuple[bytes, bytes]]) -> dict[str, str]:
    values: dict[str, list[str]] = {}
    for name, value in fields:
        # llhttp leaves white space at the end of a value.
        text = value.decode("latin-1").strip(" \t")
        values.setdefault(name.decode("latin-1").lower(), []).append(text)
    return {name: ", ".join(texts) for name, texts in values.items()}
