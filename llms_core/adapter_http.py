"""The core's HTTP client as adapters see it, for those that do more than one exchange: `Prepares` and `Generates`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar, overload

import msgspec

from llms_core.contracts.json import UNREADABLE
from llms_core.contracts.upstream import Framing, Headers, UpstreamRequest
from llms_core.errors import ErrorKind, ProviderError
from llms_core.failure import classify
from llms_core.secret import Secret

T = TypeVar("T")


class UpstreamReply(msgspec.Struct, frozen=True):
    """A complete response, whatever its status."""

    status: int
    #: Names are in lower case.
    headers: Headers
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    def raise_for_status(self) -> None:
        """Raise the ProviderError that `llms_core.failure.classify` makes of a response whose status is not 2xx."""
        if not self.is_success:
            raise classify(self.status, self.headers, self.body)

    @overload
    def json(self) -> Any: ...

    @overload
    def json(self, type: type[T]) -> T: ...

    def json(self, type: Any = Any) -> Any:
        """Decode the body, into a msgspec struct or any other type.

        Raises ProviderError if the status is not 2xx, or if the body is not JSON of this type.
        """
        self.raise_for_status()
        try:
            return msgspec.json.decode(self.body, type=type)
        except UNREADABLE as error:
            message = f"The provider's response cannot be read: {error}"
            raise ProviderError(ErrorKind.BAD_RESPONSE, message, status=self.status) from None


class UpstreamEvents(Protocol):
    """A response whose head has arrived, and whose body is read as it arrives. It is iterated over once.

    Iterating raises ProviderError if the status is not 2xx, or if the connection breaks.
    """

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Headers:
        """The header fields; names are in lower case."""

    def __aiter__(self) -> AsyncIterator[tuple[str, bytes]]:
        """Yield each event: its name, empty if it has none, and its data."""

    async def reply(self) -> UpstreamReply:
        """Read the body to its end instead, such as that of an error."""


class AdapterHttp(Protocol):
    """The core's HTTP client, for one call of `prepare` or `generate`; it is closed when that ends.

    It uses the configured engine, proxy and certificates, and the attempt's limits for connecting, for the whole call,
    and for the size of a response. The credentials of each request are masked in errors, in the log and in records from
    then on: in headers and in parameters of the URL whose names say so (`authorization`, `x-api-key`, `cookie`, …).
    """

    async def send(
        self, request: UpstreamRequest, *, max_seconds: float | None = None
    ) -> UpstreamReply:
        """Send a request, and read the response to its end, whatever its status: `reply.json(…)` checks that.

        By default a request of `prepare` may take 30 s, and one of `generate` the time that is left to the attempt.

        Raises ProviderError: `network` if the request fails, `timeout` if it takes too long.
        """

    def stream(
        self, request: UpstreamRequest, framing: Framing = "sse"
    ) -> AbstractAsyncContextManager[UpstreamEvents]:
        """Send a request, and read the events of the response as they arrive.

        async with http.stream(request) as events:
            async for name, data in events:
                ...
        """

    def secret(self, value: str) -> Secret:
        """Return the value as a Secret. From now on it is masked in errors, in the log and in records.

        For what a provider hands out, such as a token: `self.token = http.secret(reply.json(Token).access_token)`.
        """

    def drop(self, *names: str) -> None:
        """Report parameters of the client's request that have no effect; the client reads x-llms-dropped-params.

        To be called before the first chunk. Those in `UpstreamRequest.dropped` are reported, too.
        """
