"""One completion from the request's bytes to the answer's: the flow."""

from __future__ import annotations

import asyncio
import logging
from functools import lru_cache

from litestar.types import Receive, Scope, Send

from llms_core.contracts.request import ChatRequest
from llms_core.dialects import Dialect, sse
from llms_core.errors import ErrorKind, LlmsError, ProviderError, RequestError
from llms_core.records import Caller
from llms_core.routing.attempts import CommittedStream, Served
from llms_core.routing.trace import Track
from llms_core.server import error_response as problems
from llms_core.server.client import Client, ClientGoneError
from llms_core.server.gateway import Gateway

log = logging.getLogger(__name__)

_JSON = (b"content-type", b"application/json")
_EVENTS = ((b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"))
_LEFT = 499


async def complete(gateway: Gateway, dialect: Dialect, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request; whatever fails on the way becomes OpenAI's error JSON."""
    turn = _Turn(
        gateway, dialect, Track(), Client(receive, send, gateway.server.keep_alive, gateway.server.write_timeout)
    )
    try:
        await turn.serve(scope)
    except ClientGoneError:
        turn.client.gone = True
    except asyncio.CancelledError:  # the drain is over; raised again, uvicorn would log it as a fault of ours
        await turn.refuse(RequestError("The server is stopping", status=503, type="api_error", code="shutting_down"))
    except LlmsError as error:
        await turn.refuse(error)
    except Exception as error:
        log.exception("request %s failed", turn.track.id)
        await turn.refuse(error)
    finally:
        turn.finish()


class _Turn:
    """One request's state: who asked for what, and what has been answered."""

    def __init__(self, gateway: Gateway, dialect: Dialect, track: Track, client: Client):
        self.gateway, self.dialect, self.track, self.client = gateway, dialect, track, client
        self.request: ChatRequest | None = None
        self.caller: Caller | None = None
        self.served: Served | None = None
        self.overhead: float | None = None
        self.failure: ErrorKind | None = None
        gateway.running += 1

    async def serve(self, scope: Scope) -> None:
        gateway = self.gateway
        self.caller = gateway.admit(scope)
        with self.client:
            body = await self.client.read(scope, gateway.max_body, gateway.server.body_timeout)
            decoded = self.dialect.decode(body)
            self.request = decoded.view
            self.served = await gateway.router.answer(self.track, decoded)
            if self.served.chunks is None:
                await self._whole(self.served)
            else:
                await self._stream(self.served, self.served.chunks, self.request.include_usage)

    async def _whole(self, served: Served) -> None:
        assert served.completion is not None  # noqa: S101 - one of the two is there
        data = served.completion.data
        if self.dialect.completion is not None:
            data = self.dialect.completion(data)
        await self.client.begin(200, [_JSON, (b"content-length", b"%d" % len(data)), *self._headers(served)])
        await self.client.write(data, last=True)

    async def _stream(self, served: Served, chunks: CommittedStream, include_usage: bool) -> None:
        """Pass a committed stream on. Where it breaks the client is told so, and gets no `[DONE]` (SR-058)."""
        try:
            first = True
            while not chunks.over:
                data = sse.frame(await chunks.read(), include_usage, self.dialect.chunk)
                if chunks.over:
                    data += sse.DONE
                if first:
                    first = False
                    await self.client.begin(200, [*_EVENTS, *self._headers(served)], stream=True)
                if data:
                    await self.client.write(data, last=chunks.over)
        except ProviderError as error:
            self.failure = error.kind
            await self.client.write(sse.event(problems.event(error)), last=True)
        finally:
            await chunks.aclose()

    def _headers(self, served: Served) -> list[tuple[bytes, bytes]]:
        candidate, track = served.candidate, self.track
        self.overhead = track.overhead
        headers = [
            (b"x-request-id", track.id.encode()),
            (b"x-llms-provider", _header(candidate.provider.id)),
            (b"x-llms-upstream-model", _header(candidate.model.upstream)),
            (b"x-llms-attempts", _header(track.attempts_header(candidate.provider.id))),
            (b"x-llms-overhead-ms", b"%.2f" % (self.overhead * 1000)),
        ]
        if served.dropped:
            headers.append((b"x-llms-dropped-params", _header(", ".join(served.dropped))))
        return headers

    async def refuse(self, error: BaseException) -> None:
        """Answer with an error: as JSON with its status, or in a stream that has begun as its last event."""
        if self.client.gone:
            return
        if self.client.begun:
            if isinstance(error, RequestError):
                self.failure = ErrorKind.CANCELLED
                await self.client.write(sse.event(problems.problem(error).body), last=True)
            return
        problem = problems.problem(error)
        headers = [
            _JSON,
            (b"content-length", b"%d" % len(problem.body)),
            (b"x-request-id", self.track.id.encode()),
            (b"x-llms-overhead-ms", b"%.2f" % (self.track.overhead * 1000)),
        ]
        if attempts := self.track.attempts_header():
            headers.append((b"x-llms-attempts", _header(attempts)))
        if (retry_after := problem.retry_after_header) is not None:
            headers.append((b"retry-after", retry_after.encode()))
        await self.client.begin(problem.status, headers)
        await self.client.write(problem.body, last=True)

    def finish(self) -> None:
        """Tell who listens, once, that the request is over."""
        self.gateway.running -= 1
        status = _LEFT if self.client.gone else self.client.status
        self.gateway.finished(self.track, self.request, self.served, self.caller, status, self.overhead, self.failure)


@lru_cache(maxsize=1024)
def _header(text: str) -> bytes:
    if text.isascii() and text.isprintable():
        return text.encode()
    return "".join(char if " " <= char <= "~" else "?" for char in text).encode()
