"""What an adapter sends to its provider, and what the calls of all operations know of the response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec

from llms_core.contracts.upload import Upload

#: Header names are in lower case.
Headers = Mapping[str, str]


class UpstreamRequest(msgspec.Struct, kw_only=True):
    """One HTTP request to a provider."""

    url: str
    headers: dict[str, str]
    content: bytes = b""
    method: str = "POST"
    #: The body in place of `content`, for operations whose requests are uploads.
    upload: Upload | None = None
    #: Parameters of the client's request that could not be translated; the client reads them in x-llms-dropped-params.
    dropped: tuple[str, ...] = ()


Framing = Literal["sse", "ndjson", "aws", "bytes"]
"""How a provider separates a stream into events: server-sent events, lines of JSON, or AWS's event stream.

`bytes` is for a stream that has none, such as sound: its pieces are events, and an empty one is its end.
"""


class ResponseHead(Protocol):
    """A response that has begun to arrive."""

    @property
    def headers(self) -> Headers:
        """The header fields, which are decoded when they are first used."""


class ProviderCall(msgspec.Struct, frozen=True, kw_only=True):
    """The base of the calls of all operations."""

    #: Set by the core when the response begins.
    response: ResponseHead | None = None

    @property
    def response_headers(self) -> Headers:
        """The headers of the response that is being read, such as rate limits; empty before there is one."""
        if self.response is None:
            return {}
        return {name.lower(): value for name, value in self.response.headers.items()}
