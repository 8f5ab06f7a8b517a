"""A transport that adds headers of plugins to every request of an attempt, such as `traceparent`."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from llms_core.provider import UpstreamRequest
from llms_core.upstream.transport import HttpResponse, HttpTransport


class AddedHeaders:
    """Sends by way of another transport. Headers that a request has already stay as they are."""

    def __init__(self, transport: HttpTransport, headers: Mapping[str, str]):
        self._transport = transport
        self._headers = headers

    async def send(self, request: UpstreamRequest, connect_timeout: float, /) -> HttpResponse:
        """Send `request` with the headers."""
        taken = {name.lower() for name in request.headers}
        added = {name: value for name, value in self._headers.items() if name.lower() not in taken}
        request = msgspec.structs.replace(request, headers={**request.headers, **added})
        return await self._transport.send(request, connect_timeout)

    async def aclose(self) -> None:
        """Close nothing: the transport is that of all attempts."""
