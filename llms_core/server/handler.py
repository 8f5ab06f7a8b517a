"""The flow of one request, for every operation and dialect: from the client's bytes to the answer's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from functools import lru_cache, partial
from typing import Any

from litestar.types import Receive, Scope, Send
from msgspec import UNSET, UnsetType

from llms_core.config.prices import per_token
from llms_core.contracts.body import RequestBody
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.json import UNREADABLE
from llms_core.dialects import (
    AddsMetadata,
    Dialect,
    ErrorResponse,
    IncomingRequest,
    OmitsUsage,
    StreamWriter,
    TypedBody,
    WritesBytes,
)
from llms_core.dialects.metadata import Metadata, with_metadata
from llms_core.errors import AllProvidersFailed, ErrorKind, ProviderError, RequestError
from llms_core.middleware import Answered, ChunkStream
from llms_core.operations import Answer
from llms_core.operations.adapter_results import expect
from llms_core.records import Caller
from llms_core.routing.trace import RequestTrace, current_trace
from llms_core.server import accounting
from llms_core.server.disconnect import ClientDisconnected, ClientState, DisconnectWatcher
from llms_core.server.error_response import (
    describe,
    describe_in_stream,
    encode,
    retry_headers,
    status_of,
)
from llms_core.server.form import IncomingForm
from llms_core.server.gateway import Gateway
from llms_core.server.http1.cycle import BREAKS_OFF
from llms_core.server.labels import labels_of, service_tier_of
from llms_core.server.request_body import read_body
from llms_core.server.request_headers import by_name
from llms_core.server.response_writer import ResponseState, ResponseWriter

log = logging.getLogger(__name__)

_JSON = (b"content-type", b"application/json")
_NO_CACHE = (b"cache-control", b"no-cache")
#: Characters of the names of dropped parameters that are reported.
_MAX_DROPPED = 1000


async def handle(
    gateway: Gateway, dialect: Dialect, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer one request; every failure becomes an error in the client's dialect."""
    handler = RequestHandler(gateway, dialect, scope, receive, send)
    current_trace.set(handler.trace)
    gateway.request_started()
    try:
        await handler.run(receive)
    except ClientDisconnected:
        handler.watcher.state = ClientState.GONE
    except asyncio.CancelledError:
        # The time for draining is over. Re-raised, uvicorn would log the cancellation as a bug.
        message = "The server is stopping"
        await handler.refuse(
            RequestError(message, status=503, type="api_error", code="shutting_down")
        )
    except (RequestError, ProviderError, AllProvidersFailed) as error:
        await handler.refuse(error)
    except Exception as error:
        # A bug of the gateway, or of a plugin's operation or dialect.
        log.exception("request %s failed", handler.trace.id)
        await handler.refuse(error)
    finally:
        handler.close()
        gateway.request_ended()
        # Last: what plugins do with the record must not delay the response.
        handler.record()


class RequestHandler:
    """One request: its caller, its body, and what has been answered so far."""

    def __init__(
        self, gateway: Gateway, dialect: Dialect, scope: Any, receive: Receive, send: Send
    ):
        self.gateway = gateway
        self.dialect = dialect
        self.scope = scope
        self.trace = RequestTrace(dialect.operation.name, dialect.name, scope["headers"])
        self.watcher = DisconnectWatcher(receive)
        self.writer = ResponseWriter(send, gateway.server.keep_alive)
        self.body: RequestBody[Any] | None = None
        self.form: IncomingForm | None = None
        self.answer: Answered | None = None
        self.stream_writer: StreamWriter | None = None
        #: The gateway's own share of the time until the head was sent, in seconds.
        self.overhead: float | None = None
        #: The error that ended a stream after it was committed.
        self.stream_error: ErrorKind | None = None
        #: Why the request was refused, or failed.
        self.error: BaseException | None = None

    async def run(self, receive: Receive) -> None:
        """Read the request, route it, and send the answer."""
        gateway = self.gateway
        scope = self.scope
        # Before the body is read, so that unknown callers cannot make the server receive one.
        found = gateway.admit(scope)
        self.trace.caller = found if found is None or isinstance(found, Caller) else await found
        with self.watcher:
            request = await self._read_request(scope, receive)
            decoded = self.dialect.decode(request)
            if not isinstance(decoded, RequestBody) and isinstance(decoded, Awaitable):
                decoded = await decoded
            # Checked here because the record of the request is made from it as well.
            self.body = expect(RequestBody, decoded, "decode")
            if gateway.observes_requests:
                self.trace.service_tier = service_tier_of(self.body)
            if self.body.stream:
                self.stream_writer = self._new_stream_writer(self.body)
            self.answer = await gateway.answer(
                self.trace,
                self.dialect.operation,
                self.body,
                dialect=self.dialect.name,
                headers=scope["headers"],
                has_form=self.form is not None,
            )
            if self.form is not None:
                # The provider may have answered before the client had sent everything.
                self.watcher.start()
            if self.answer.stream is not None and self.stream_writer is not None:
                await self._send_stream(self.answer, self.answer.stream, self.stream_writer)
            elif self.answer.answer is not None:
                await self._send_whole(self.answer, self.answer.answer, self.body)

    async def _read_request(self, scope: Scope, receive: Receive) -> IncomingRequest:
        """Read the request's body, or what is needed of a form: the rest is read while it is sent on."""
        gateway = self.gateway
        server = gateway.server
        names = self.dialect.form_fields
        if names is None:
            data = await read_body(scope, receive, gateway.max_body, server.body_timeout)
            self.watcher.start()
        else:
            data = b""
            self.form = IncomingForm(
                receive,
                self.watcher,
                gateway.replay_memory,
                names,
                headers=by_name(scope),
                max_bytes=server.max_upload,
                seconds=server.body_timeout,
            )
            await self.form.read_ahead()
        return IncomingRequest(
            data,
            scope["path"],
            scope["query_string"],
            scope["headers"],
            self.trace.caller,
            scope.get("path_params") or {},
            form=self.form,
        )

    def close(self) -> None:
        """Release what the request holds."""
        self.writer.close()
        if self.form is not None:
            self.form.close()

    async def _send_whole(self, routed: Answered, answer: Answer, body: RequestBody[Any]) -> None:
        # Checked before the head is sent: after that, the client would only see a broken connection.
        try:
            encoded = self.dialect.encode_answer(answer, body)
        except UNREADABLE as error:
            raise _untranslatable(error) from None
        content_type = _JSON
        if isinstance(encoded, TypedBody):
            content_type = (b"content-type", _encode_header(encoded.content_type))
            encoded = encoded.data
        data = await _bytes_of(encoded, "encode_answer")
        if self.gateway.server.llms_py and self.dialect.has_metadata:
            data = with_metadata(data, self._metadata(routed))
        length = (b"content-length", b"%d" % len(data))
        headers = [content_type, length, *self._headers(routed)]
        if self.dialect.answer_headers is not None:
            headers += self.dialect.answer_headers(answer)
        await self.writer.start(200, headers)
        await self._write_last(data)

    def _new_stream_writer(self, body: RequestBody[Any]) -> StreamWriter:
        if self.dialect.stream_writer is None:
            message = f"{self.dialect.name} cannot be streamed"
            raise RequestError(message, param="stream", code="unsupported")
        writer = self.dialect.stream_writer(body)
        if self.gateway.server.stream_usage == "always" and isinstance(writer, OmitsUsage):
            writer.include_usage = True
        return writer

    async def _send_stream(
        self, routed: Answered, stream: ChunkStream, writer: StreamWriter
    ) -> None:
        """Send a committed stream. If it breaks, the client gets an error and not the end of an answer (SR-058)."""
        response = self.writer
        # Asked first, because looking at a protocol's methods takes longer than sending a chunk.
        if self.dialect.operation.reads_content_type and isinstance(writer, WritesBytes):
            writer.begin_bytes(stream.content_type)
        if self.gateway.server.llms_py and isinstance(writer, AddsMetadata):
            writer.metadata = partial(self._metadata, routed)
        try:
            is_complete = stream.is_complete
            while not is_complete:
                data = _written(writer, await stream.read())
                is_complete = stream.is_complete
                if response.state is ResponseState.NOT_STARTED:
                    headers = [
                        (b"content-type", writer.content_type),
                        _NO_CACHE,
                        *self._headers(routed),
                    ]
                    await response.start(200, headers, keep_alive=writer.keep_alive)
                if is_complete:
                    await self._write_last(data + await _bytes_of(writer.end(), "end"))
                elif data:
                    await response.write(data)
        except ProviderError as error:
            if response.state is ResponseState.NOT_STARTED:
                raise
            self.stream_error = error.kind
            self.error = error
            await self._end_broken_stream(writer, error)
        finally:
            await stream.aclose()

    async def _end_broken_stream(self, writer: StreamWriter, error: BaseException) -> None:
        """Tell the client that what it has received is not the whole answer."""
        if isinstance(writer, WritesBytes):
            # The response ends without its end, which breaks the connection.
            self.scope[BREAKS_OFF] = True
        else:
            await self._write_last(writer.error(describe_in_stream(error)))

    async def _write_last(self, data: bytes) -> None:
        await self.writer.write(data, last=True)
        self.watcher.client_served()

    def _headers(self, routed: Answered) -> list[tuple[bytes, bytes]]:
        candidate = routed.candidate
        trace = self.trace
        # Measured once, here, so that the header and the record agree.
        self.overhead = trace.overhead
        headers = self._request_id()
        if candidate is not None:
            headers += [
                (b"x-llms-provider", _header_value(candidate.provider_id)),
                (b"x-llms-upstream-model", _header_value(candidate.upstream_model)),
                (b"x-llms-attempts", _header_value(trace.attempts_header(candidate.provider_id))),
            ]
        elif attempts := trace.attempts_header():
            headers.append((b"x-llms-attempts", _header_value(attempts)))
        headers.append((b"x-llms-overhead-ms", b"%.2f" % (self.overhead * 1000)))
        headers += [
            (name.lower().encode(), _encode_header(value)) for name, value in routed.headers.items()
        ]
        dropped = routed.dropped
        if self.dialect.names:
            dropped = tuple(map(self.dialect.client_name, dropped))
        if self.body is not None and self.body.dropped:
            dropped = (*self.body.dropped, *dropped)
        if dropped:
            headers.append((b"x-llms-dropped-params", _dropped_header(dropped)))
        return headers

    def _metadata(self, routed: Answered) -> Metadata:
        """What llms.py adds to an answer."""
        price = None if routed.candidate is None else routed.candidate.price
        pricing: str | UnsetType = UNSET
        if price is not None:
            pricing = f"{per_token(price.input)}/{per_token(price.output)}"
        return Metadata(int(self.trace.duration * 1000), pricing)

    def _request_id(self) -> list[tuple[bytes, bytes]]:
        value = self.trace.id.encode()
        return [(name, value) for name in self.dialect.request_id_headers]

    async def refuse(self, error: BaseException) -> None:
        """Send an error: as a response of its own, or as the last event of a stream that has begun."""
        self.error = error
        if self.watcher.state is ClientState.GONE or self.writer.state is ResponseState.FINISHED:
            return
        # Entered again: a client may also stop reading in the middle of an error.
        with self.watcher:
            if self.writer.state is ResponseState.NOT_STARTED:
                explain = self.gateway.server.explain_errors
                await self._send_error(describe(error, self.trace.attempts, explain=explain))
            elif self.stream_writer is not None:
                if isinstance(error, RequestError):
                    # The server stops while the stream runs.
                    self.stream_error = ErrorKind.CANCELLED
                await self._end_broken_stream(self.stream_writer, error)

    async def _send_error(self, response: ErrorResponse) -> None:
        data = encode(response, self.dialect)
        headers = [
            _JSON,
            (b"content-length", b"%d" % len(data)),
            *self._request_id(),
            (b"x-llms-overhead-ms", b"%.2f" % (self.trace.overhead * 1000)),
        ]
        if attempts := self.trace.attempts_header():
            headers.append((b"x-llms-attempts", _header_value(attempts)))
        headers += [
            (name.encode(), value.encode()) for name, value in retry_headers(response).items()
        ]
        await self.writer.start(status_of(response, self.dialect), headers)
        await self._write_last(data)

    def record(self) -> None:
        """Report to plugins and the log, once, that the request has ended."""
        if not self.gateway.observes_requests:
            return
        is_gone = self.watcher.state is ClientState.GONE
        record = accounting.request_finished(
            self.gateway.startup.host,
            self.trace,
            body=self.body,
            answer=self.answer,
            caller=self.trace.caller,
            status=accounting.CLIENT_CLOSED_REQUEST if is_gone else self.writer.status,
            overhead=self.overhead,
            stream_error=self.stream_error,
            error=self.error,
            labels=labels_of(self.scope, self.body),
            has_begun=self.answer is not None
            and self.writer.state is not ResponseState.NOT_STARTED,
        )
        self.gateway.recent.add(record)


def _written(writer: StreamWriter, chunks: Sequence[Chunk]) -> bytes:
    try:
        return writer.write(chunks)
    except UNREADABLE as error:
        raise _untranslatable(error) from None


def _untranslatable(error: Exception) -> ProviderError:
    """Return the error for an answer that has a member of another type than the client's API can express."""
    return ProviderError(
        ErrorKind.BAD_RESPONSE, f"The provider's answer cannot be translated: {error}"
    )


async def _bytes_of(data: bytes | Awaitable[bytes], function: str) -> bytes:
    """Return what a function of the dialect wrote, at once or after it has stored something."""
    if not isinstance(data, bytes) and isinstance(data, Awaitable):
        data = await data
    return expect(bytes, data, function)


def _dropped_header(names: Sequence[str]) -> bytes:
    """The names of dropped parameters; `...` stands for those that do not fit. A client may send any number of any."""
    shown: list[str] = []
    length = 0
    for name in names:
        length += len(name)
        if length > _MAX_DROPPED:
            shown.append("...")
            break
        shown.append(name)
    return _encode_header(", ".join(shown))


def _encode_header(text: str) -> bytes:
    """Text as a header value, with `?` for every character that a header may not contain."""
    if text.isascii() and text.isprintable():
        return text.encode()
    return "".join(char if " " <= char <= "~" else "?" for char in text).encode()


#: For values that repeat: names of providers and models. Not for text of clients, which would be kept.
_header_value = lru_cache(maxsize=1024)(_encode_header)
