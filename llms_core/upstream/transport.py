"""The seam between the gateway and an HTTP client: send a request; get its status, headers and body as they come."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Mapping
from typing import Protocol

from llms_core.errors import ErrorKind, ProviderError
from llms_core.provider import UpstreamRequest
from llms_core.upstream.local_limits import causes

log = logging.getLogger(__name__)


class HttpResponse(Protocol):
    """A response whose head has arrived."""

    status: int

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields, to be looked up by lower-case names."""

    async def read(self) -> bytes:
        """Return the next piece of the body as soon as it arrives; b"" at its end.

        Raises ProviderError (network) if the connection breaks or the body ends too early.
        """

    @property
    def exhausted(self) -> bool:
        """Whether the end of the body is known to have been read; it may be unknown, and then this is false."""

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


def network_error(summary: str, error: Exception) -> ProviderError:
    """Return the error that a transport raises for an exception of its HTTP client."""
    # The messages of some exceptions are empty.
    reason = str(error) or type(error).__name__
    return ProviderError(ErrorKind.NETWORK, f"{summary}: {reason}")


def break_reason(error: Exception) -> str:
    """Return why a connection broke, in words for clients. The text of the HTTP client's exception is only logged."""
    log.debug("a connection broke: %r", error)
    for cause in causes(error):
        if isinstance(cause, ssl.SSLError):
            return "the TLS connection failed before the response was complete"
        if isinstance(cause, ConnectionError):
            return "the provider reset the connection before the response was complete"
        if isinstance(cause, OSError) and cause.errno is not None:
            return (
                f"the network failed before the response was complete ({os.strerror(cause.errno)})"
            )
    return "the provider ended the response before it was complete, or it is not valid HTTP/1.1"
