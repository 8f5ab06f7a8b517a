"""One connection: sends requests one after the other and parses their responses.

This is on the path of every request and chunk. Change it only with a measurement.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol, cast

import httptools

from llms_core.contracts.upload import Upload
from llms_core.errors import ErrorKind, ProviderError
from llms_core.upstream.http1.request_body import WRITE_SIZE, framed, sliced
from llms_core.upstream.http1.response import Http1Response
from llms_core.upstream.http1.validity import (
    MAX_HEAD,
    TOO_LARGE,
    InvalidResponse,
    ends_with_connection,
    reason_of,
    size_of,
)
from llms_core.upstream.transport import break_reason
from llms_core.write_batch import shared_write_batch

#: 1xx responses before the final one.
MAX_INFORMATIONAL = 8

# Unread bytes of a body at which the server is made to wait.
_MAX_UNREAD = 256 * 1024

# Fields that tell how the body is encoded.
_CODINGS = frozenset({b"content-encoding", b"transfer-encoding"})
_CODING_LENGTHS = frozenset(map(len, _CODINGS))

_VERSIONS = frozenset({"1.0", "1.1"})


class Owner(Protocol):
    """Where connections are kept."""

    def released(self, connection: Connection) -> None:
        """The connection can be used for the next request."""

    def lost(self, connection: Connection) -> None:
        """The connection has been closed."""


class ConnectionBroke(Exception):
    """The connection broke before the first byte of a response: if it was reused, the request can be repeated."""

    def __init__(self, error: ProviderError):
        super().__init__(error.message)
        self.error = error


class Connection(asyncio.Protocol):
    """A connection to a server or an HTTP proxy, with at most one request at a time."""

    __slots__ = (
        "_batch",
        "_current",
        "_informational",
        "_is_head_request",
        "_overhead",
        "_parser",
        "_request_sent",
        "_response",
        "_reusable",
        "_silent",
        "_trailer_bytes",
        "_transport",
        "_unsent",
        "_writing_paused",
        "closed",
        "idle_since",
        "key",
        "loop",
        "owner",
        "reading_paused",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self.loop = loop
        #: what requests it can be used for
        self.key: object = None
        self.owner: Owner | None = None
        #: when it became idle, on the event loop's clock
        self.idle_since = 0.0
        self.closed = False
        self.reading_paused = False
        self._transport: asyncio.Transport | None = None
        self._batch = shared_write_batch(loop)
        #: a request that will be sent in the event loop's next iteration
        self._unsent = b""
        # The parser keeps its state from one response to the next.
        self._parser = httptools.HttpResponseParser(self)
        #: the response that is being received; None between requests
        self._response: Http1Response | None = None
        #: the same for the parser, which only runs while there is one
        self._current: Http1Response
        self._reusable = False
        self._writing_paused = False
        self._is_head_request = False
        self._request_sent = False
        #: whether no byte has arrived since the request was begun
        self._silent = True
        #: 1xx responses to the request
        self._informational = 0
        #: bytes since the last piece of a body
        self._overhead = 0
        self._trailer_bytes = 0

    # Requests

    async def request(
        self, head: bytes, body: bytes | Upload, *, is_head_request: bool = False
    ) -> Http1Response:
        """Send a request and return its response when the response's head has arrived.

        Raises ConnectionBroke if the connection breaks before any byte arrives, and ProviderError if it breaks later
        or the response is invalid. If this fails or is cancelled, the connection is aborted.
        """
        response = Http1Response(self)
        self._response = response
        self._current = response
        self._is_head_request = is_head_request
        self._request_sent = False
        self._reusable = False
        self._silent = True
        self._informational = 0
        self._overhead = 0
        self._trailer_bytes = 0
        try:
            if self.closed:
                self._fail(response, "the provider closed it")
            elif not isinstance(body, bytes):
                await self._write_large(response, head, framed(body))
            elif len(body) <= WRITE_SIZE:
                # One write for head and body is one system call and one packet.
                self._unsent = head + body if body else head
                self._request_sent = True
                if self._batch.has_one_request:
                    self.flush()
                else:
                    self._batch.add(self)
            else:
                await self._write_large(response, head, sliced(body))
            while not response.status:
                if response.error is not None:
                    raise response.error
                response.waiter = self.loop.create_future()
                await response.waiter
                response.waiter = None
        except ProviderError as error:
            self.abort()
            if self._silent:
                raise ConnectionBroke(error) from None
            raise
        except BaseException:
            self.abort()
            raise
        return response

    def flush(self) -> None:
        """Send the request; nothing if it has been given up."""
        unsent = self._unsent
        self._unsent = b""
        if not self.closed:
            self._write(unsent)

    def _write(self, data: bytes | memoryview) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _is_closing(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    async def _write_large(
        self, response: Http1Response, head: bytes, body: AsyncGenerator[bytes | memoryview, None]
    ) -> None:
        """Write a large body as fast as the socket accepts it, or until the server refuses or ends it."""
        self._write(head)
        async with aclosing(body):
            async for piece in body:
                while self._writing_paused and not _is_refused(response):
                    response.waiter = self.loop.create_future()
                    await response.waiter
                    response.waiter = None
                if _is_refused(response) or self._is_closing():
                    # The server will not read the rest. `_request_sent` stays false: nothing can follow on this
                    # connection.
                    return
                self._write(piece)
                # A server that refuses a request may close its connection at once. Its response has to be read before
                # the next write fails, because asyncio drops what is unread then. What has arrived is found in the
                # first turn of the event loop, but read only after this task has run in it.
                await asyncio.sleep(0)
                await asyncio.sleep(0)
        self._request_sent = True

    def release(self, response: Http1Response) -> None:
        """Take the connection back from a response: it is kept if the response was complete, or aborted."""
        if self._response is not response:
            return
        self._response = None
        if self._reusable and not self.closed and self.owner is not None:
            if self.reading_paused:
                self.resume_reading()
            self.owner.released(self)
        else:
            self.abort()

    def abort(self) -> None:
        """Close the socket at once; what has not been sent is dropped."""
        self.closed = True
        self._reusable = False
        if self._transport is not None:
            self._transport.abort()

    def resume_reading(self) -> None:
        """Let the server send again."""
        self.reading_paused = False
        if self._transport is not None and not self.closed:
            self._transport.resume_reading()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called when the connection is ready for requests."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Called with each piece of bytes that arrives."""
        response = self._response
        if response is None:
            # Nothing was requested, and these bytes must not become the beginning of the next response.
            self.abort()
            return
        if self._unsent:
            self._fail(response, "the provider sent data before the request")
            return
        if response.complete or response.error is not None:
            self._reusable = False
            return
        self._silent = False
        self._overhead += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._reusable = False
            # What is wrong may be what follows a complete response.
            if not response.complete:
                self._fail(response, reason_of(error))
        if self._overhead > MAX_HEAD and not response.complete:
            self._fail(response, TOO_LARGE)
        if response.unread > _MAX_UNREAD and not self.reading_paused:
            self._pause_reading()
        waiter = response.waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def eof_received(self) -> None:
        """Called when the server has sent everything. Returning None closes the connection."""
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the connection is closed, by whatever side."""
        self._end(exc)
        if self.owner is not None:
            self.owner.lost(self)

    def pause_writing(self) -> None:
        """Called when the socket accepts no more for now."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """Called when the socket has accepted what was written."""
        self._writing_paused = False
        if self._response is not None:
            self._response.wake()

    def _pause_reading(self) -> None:
        self.reading_paused = True
        if self._transport is not None and not self.closed:
            self._transport.pause_reading()

    def _end(self, error: Exception | None) -> None:
        """The server has closed the connection, or it broke."""
        self.closed = True
        self._reusable = False
        response = self._response
        if response is None or response.complete or response.error is not None:
            return
        if error is not None:
            self._fail(response, break_reason(error))
        elif response.status and ends_with_connection(response):
            response.complete = True
            response.wake()
        else:
            self._fail(
                response, "the provider closed the connection before the response was complete"
            )

    def _fail(self, response: Http1Response, reason: str) -> None:
        summary = "The connection broke" if response.status else "The request failed"
        response.error = ProviderError(ErrorKind.NETWORK, f"{summary}: {reason}")
        self.abort()
        response.wake()

    # Called by the parser, within `data_received`

    def on_message_begin(self) -> None:
        """Called at the first byte of a response, a 1xx response included."""
        if self._current.complete:
            raise InvalidResponse("there are bytes after the response")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called with each field of a head or of trailers."""
        response = self._current
        if response.status:
            self._check_trailer(name, value)
            return
        if len(name) in _CODING_LENGTHS and (lower := name.lower()) in _CODINGS:
            # The parser decodes chunks.
            if value != b"chunked" or lower != b"transfer-encoding":
                response.is_encoded = True
            if lower == b"transfer-encoding" and b"\t" in value:
                # The parser would not recognize `chunked`, and take the sizes of chunks for the body.
                raise InvalidResponse("there is a tab in its Transfer-Encoding")
        response.fields.append((name, value))

    def on_headers_complete(self) -> None:
        """Called at the end of a head."""
        response = self._current
        status = self._parser.get_status_code()
        # The bytes that arrived include the head, so that it is rarely necessary to count.
        if self._overhead > MAX_HEAD and size_of(response.fields) > MAX_HEAD:
            raise InvalidResponse(TOO_LARGE)
        self._overhead = 0
        if status < 200:
            self._check_informational(status)
            return
        if self._parser.get_http_version() not in _VERSIONS:
            raise InvalidResponse("it is not a response of HTTP/1.1")
        response.status = status
        if self._is_head_request:
            # The parser does not know that no body follows, so it cannot be used any further.
            response.complete = True
            raise InvalidResponse("a response to HEAD has no body")

    def on_body(self, body: bytes) -> None:
        """Called with each piece of the body."""
        response = self._current
        self._overhead = 0
        response.pieces.append(body)
        response.unread += len(body)

    def on_message_complete(self) -> None:
        """Called at the end of a response."""
        response = self._current
        if not response.status:
            # It was a 1xx response.
            response.fields.clear()
            response.is_encoded = False
            return
        response.complete = True
        # `should_keep_alive` is only correct here: after this call it is always false.
        self._reusable = self._request_sent and self._parser.should_keep_alive()

    def _check_informational(self, status: int) -> None:
        self._informational += 1
        if status < 100 or status == 101:
            raise InvalidResponse(
                f"the provider answered with status {status}, which was not requested"
            )
        if self._informational > MAX_INFORMATIONAL:
            raise InvalidResponse(
                f"there are more than {MAX_INFORMATIONAL} informational responses"
            )

    def _check_trailer(self, name: bytes, value: bytes) -> None:
        """Count a trailer field, and drop it: no provider uses them."""
        self._trailer_bytes += size_of([(name, value)])
        if self._trailer_bytes > MAX_HEAD:
            raise InvalidResponse(TOO_LARGE)


def _is_refused(response: Http1Response) -> bool:
    """Whether the server has refused the request, ended its response, or gone, so that the rest need not be sent."""
    return response.status >= 400 or response.complete or response.error is not None
