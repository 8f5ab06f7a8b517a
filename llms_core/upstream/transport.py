"""The seam between the gateway and an HTTP client: send a request; get its status, headers and body as they come."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Protocol

from llms_core.config.model import Upstream
from llms_core.errors import ErrorKind, ProviderError
from llms_core.provider import UpstreamRequest

# In order of precedence: the names that curl reads, in both cases.
_PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy")


class HttpResponse(Protocol):
    """A response whose head has arrived."""

    status: int
    #: to be looked up by lower-case names
    headers: Mapping[str, str]

    async def read(self) -> bytes:
        """Return the next piece of the body as soon as it arrives; b"" at its end.

        Raises ProviderError (network) if the connection breaks or the body ends too early.
        """

    async def aclose(self) -> None:
        """Release the connection: it is reused if the body was read to its end, and closed otherwise."""


class HttpTransport(Protocol):
    """An HTTP client. It follows no redirects, keeps no cookies, and has no timeout except for connecting."""

    async def send(self, request: UpstreamRequest, connect_timeout: float, /) -> HttpResponse:
        """Send `request`; return when the head of the response has arrived. `connect_timeout` is in seconds.

        Raises ProviderError: timeout if connecting takes longer, network if the request fails.
        """

    async def aclose(self) -> None:
        """Close every connection."""


def create_transport(settings: Upstream) -> HttpTransport:
    """Create the transport that `[upstream] engine` names."""
    proxy = settings.proxy.reveal() if settings.proxy is not None else None
    # Imported only here, because HTTP clients are slow to import.
    if settings.engine == "httpx":
        from llms_core.upstream.httpx_transport import HttpxTransport

        return HttpxTransport(proxy or _proxy_from_environment())
    from llms_core.upstream.aiohttp_transport import AiohttpTransport

    return AiohttpTransport(proxy, trust_env=_proxy_from_environment() is not None)


def network_error(summary: str, error: Exception) -> ProviderError:
    """Return the error that a transport raises for an exception of its HTTP client."""
    # The messages of some exceptions are empty.
    reason = str(error) or type(error).__name__
    return ProviderError(ErrorKind.NETWORK, f"{summary}: {reason}")


def _proxy_from_environment() -> str | None:
    for name in _PROXY_VARIABLES:
        value = os.environ.get(name)
        if value:
            return value
    return None
