"""One exchange with a provider, for tests of the transports."""

from __future__ import annotations

from collections.abc import Mapping

from llms_core.provider import UpstreamRequest
from llms_core.upstream.transport import HttpTransport


async def exchange(
    transport: HttpTransport,
    url: str,
    content: bytes = b"{}",
    *,
    headers: Mapping[str, str] | None = None,
    connect: float = 5.0,
) -> tuple[int, bytes]:
    """Send a request, and return the status and the whole body of its response. `connect` is in seconds."""
    response = await transport.send(
        UpstreamRequest(url=url, headers=dict(headers or {}), content=content), connect
    )
    body = b""
    try:
        while piece := await response.read():
            body += piece
    finally:
        await response.aclose()
    return response.status, body
