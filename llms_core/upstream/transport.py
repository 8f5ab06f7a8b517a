"""The seam between the gateway and an HTTP client: send a request; status, headers, pieces as they come; close."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Protocol

from llms_core.config.model import Upstream
from llms_core.provider import UpstreamRequest


class HttpResponse(Protocol):
    """An answer whose head has arrived. `headers` are looked up by lower-case names."""

    status: int
    headers: Mapping[str, str]

    async def read(self) -> bytes:
        """The next piece of the body as soon as there is one; b"" at its end.

        Raises ProviderError (network) where the connection breaks, or the body is cut short of its framing.
        """

    async def aclose(self) -> None:
        """Let go: an answer read to its end leaves its connection for the next request, any other closes it."""


class HttpTransport(Protocol):
    """An HTTP client. It follows no redirects, keeps no cookies and has no deadline but for connecting."""

    async def send(self, request: UpstreamRequest, connect: float) -> HttpResponse:
        """Send `request`; return when the head of the answer is there. `connect` is in seconds.

        Raises ProviderError: timeout where connecting takes longer, network where it fails.
        """

    async def aclose(self) -> None:
        """Close every connection."""


def create_transport(settings: Upstream) -> HttpTransport:
    """The engine that the configuration names; imported only now, because HTTP clients are slow to import."""
    proxy = settings.proxy.reveal() if settings.proxy is not None else None
    if settings.engine == "httpx":
        from llms_core.upstream.httpx_transport import HttpxEngine

        return HttpxEngine(proxy or _proxy_from_environment())
    from llms_core.upstream.aiohttp_transport import AiohttpEngine

    return AiohttpEngine(proxy, trust_env=_proxy_from_environment() is not None)


def _proxy_from_environment() -> str | None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"):
        if value := os.environ.get(name):
            return value
    return None
