"""The HTTP client that `prepare` and `generate` get: the transport, within the limits of their attempt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from llms_core.adapter_tasks import CLEANUP_SECONDS
from llms_core.deadline import Deadline
from llms_core.errors import ErrorKind, PluginError, ProviderError
from llms_core.operations.adapter_results import checked_request
from llms_core.operations.stream import Event
from llms_core.provider import Framing, Headers, UpstreamReply, UpstreamRequest
from llms_core.secret import Secret, redact
from llms_core.upstream.body import AttemptLimits, read_body, seconds_of
from llms_core.upstream.credentials import redact_credentials, redact_reply
from llms_core.upstream.stream_decoder import event_reader
from llms_core.upstream.transport import HttpResponse, HttpTransport

PREPARE_EXCHANGE_SECONDS = 30.0
"""What one request of `prepare` may take by default: a server that hangs must not hold up all who wait for it."""


class ProviderHttp:
    """Implements `llms_core.provider.AdapterHttp`. `prepares` is true for the client of `prepare`."""

    def __init__(self, transport: HttpTransport, limits: AttemptLimits, *, prepares: bool = False):
        self._transport = transport
        self._limits = limits
        self._prepares = prepares
        self._clock = asyncio.get_running_loop().time
        self._end = self._clock() + limits.total
        self._is_open = True
        #: Names of the client's parameters that have no effect; a dictionary, to keep their order.
        self._dropped: dict[str, None] = {}

    @property
    def dropped(self) -> tuple[str, ...]:
        """The parameters of the client's request that have no effect, each once."""
        return tuple(self._dropped)

    async def send(
        self, request: UpstreamRequest, *, max_seconds: float | None = None
    ) -> UpstreamReply:
        """Send a request, and read the response to its end. Raises ProviderError."""
        deadline = Deadline()
        end = self._end_of(max_seconds)
        started = self._clock()
        try:
            with deadline.at(end):
                response = await self._begin(request)
            try:
                return await self._read_reply(response, deadline, end)
            finally:
                await response.aclose()
        except TimeoutError:
            message = f"The provider did not respond completely within {seconds_of(end - started)}"
            raise ProviderError(ErrorKind.TIMEOUT, message) from None
        finally:
            deadline.close()

    @asynccontextmanager
    async def stream(
        self, request: UpstreamRequest, framing: Framing = "sse"
    ) -> AsyncIterator[Events]:
        """Send a request, and read the events of the response as they arrive. Raises ProviderError."""
        response = await self._begin(request)
        try:
            yield Events(self, response, framing)
        finally:
            await response.aclose()

    def secret(self, value: str) -> Secret:
        """Return the value as a Secret, which is masked from now on."""
        secret = Secret(value)
        redact.add_recent([secret])
        return secret

    def drop(self, *names: str) -> None:
        """Report parameters of the client's request that have no effect."""
        self._dropped.update(dict.fromkeys(names))

    def stop_soon(self) -> None:
        """Leave only the time for cleaning up."""
        self._end = self._clock() + CLEANUP_SECONDS

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Send no more requests."""
        self._is_open = False

    async def read_rest(self, response: HttpResponse) -> UpstreamReply:
        """Read a response whose head has arrived."""
        deadline = Deadline()
        try:
            return await self._read_reply(response, deadline, self._end)
        except TimeoutError:
            raise ProviderError(
                ErrorKind.TIMEOUT, "The provider did not respond completely in time"
            ) from None
        finally:
            deadline.close()

    async def _begin(self, request: UpstreamRequest) -> HttpResponse:
        if not self._is_open:
            raise PluginError("the `http` of a call is used after the call has ended")
        checked_request(request)
        redact_credentials(request)
        self.drop(*request.dropped)
        return await self._transport.send(request, self._limits.connect)

    async def _read_reply(
        self, response: HttpResponse, deadline: Deadline, end: float
    ) -> UpstreamReply:
        body = await read_body(response, self._limits.max_bytes, self._limits.idle, deadline, end)
        reply = UpstreamReply(response.status, lower_case(response), body)
        if self._prepares:
            # It is what the provider hands out. Of `generate`, it is the text of an answer.
            redact_reply(reply)
        return reply

    def _end_of(self, max_seconds: float | None) -> float:
        if max_seconds is None:
            if not self._prepares:
                return self._end
            max_seconds = PREPARE_EXCHANGE_SECONDS
        return min(self._end, self._clock() + max_seconds)


class Events:
    """Implements `llms_core.provider.UpstreamEvents`."""

    def __init__(self, http: ProviderHttp, response: HttpResponse, framing: Framing):
        self.status = response.status
        self.headers = lower_case(response)
        self._http = http
        self._response = response
        self._framing = framing

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Yield the events. Raises ProviderError, also for a status that is not 2xx."""
        if not 200 <= self.status < 300:
            (await self.reply()).raise_for_status()
        reader = event_reader(self._framing)
        while piece := await self._response.read():
            for event in reader.feed(piece):
                yield event
        for event in reader.end():
            yield event

    async def reply(self) -> UpstreamReply:
        """Read the body to its end."""
        return await self._http.read_rest(self._response)


def lower_case(response: HttpResponse) -> Headers:
    """Return the headers of a response under lower-case names."""
    return {name.lower(): value for name, value in response.headers.items()}
