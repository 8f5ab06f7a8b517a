"""The other protocols of providers that speak OpenAI's JSON: where they are, and how a request is passed on there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from llms_core.contracts.completion import Completion
from llms_core.contracts.native import MESSAGES, RESPONSES, NativeRequest
from llms_core.contracts.request import ChatCall
from llms_core.errors import ProviderError
from llms_core.native.message_request import accepts, protocol_headers, without_billing
from llms_core.native.messages import MessageEvents, read_message
from llms_core.native.responses import ResponseEvents, read_response
from llms_core.provider import ChunkTranslator, NativeEndpoint, ProviderSettings, ProviderSpec

#: The version of Anthropic's protocol that other vendors' servers implement.
_VERSION = "2023-06-01"

ReadError = Callable[[bytes], ProviderError]


class Protocol(NamedTuple):
    """How one protocol is passed on."""

    #: (the client's request, the provider's model) -> whether the provider takes it as it is
    accepts: Callable[[NativeRequest, str], bool]
    #: the client's body -> the body to send, apart from the model
    body: Callable[[bytes], bytes]
    #: the headers beside the key's
    headers: Callable[[NativeRequest], Mapping[str, str]]
    completion: Callable[[ChatCall, bytes, ReadError], Completion]
    chunks: Callable[[ChatCall, ReadError], ChunkTranslator]


def _accepts_message(native: NativeRequest, model: str) -> bool:
    # None of these servers documents instructions between the messages.
    return accepts(native, is_claude="claude" in model.lower(), system_messages=False)


PROTOCOLS: Mapping[str, Protocol] = {
    MESSAGES: Protocol(
        accepts=_accepts_message,
        body=without_billing,
        headers=lambda native: protocol_headers(native, _VERSION),
        completion=read_message,
        chunks=MessageEvents,
    ),
    RESPONSES: Protocol(
        accepts=lambda native, model: True,
        body=lambda body: body,
        headers=lambda native: native.headers,
        completion=read_response,
        chunks=ResponseEvents,
    ),
}


def endpoints_at(
    spec: ProviderSpec, settings: ProviderSettings, base_url: str
) -> Mapping[str, NativeEndpoint]:
    """Return the endpoints of a spec at the configured address, which `base_url` is.

    A key must not reach another host than the configured one. An address at another host is a sister site if its path
    is the spec's; anything else, such as a proxy, has what is below its own path only.
    """
    if not spec.native or settings.path:
        return {}
    moved = {}
    for protocol, endpoint in spec.native.items():
        if endpoint.url.startswith("/"):
            url = f"{base_url}{endpoint.url}"
            moved[protocol] = NativeEndpoint(url, endpoint.key_header)
    configured = urlsplit((settings.base_url or spec.base_url).rstrip("/"))
    original = urlsplit(spec.base_url.rstrip("/"))
    is_same_host = (configured.scheme, configured.netloc) == (original.scheme, original.netloc)
    if not is_same_host and configured.path != original.path:
        return moved
    for protocol, endpoint in spec.native.items():
        if protocol in moved:
            continue
        own = urlsplit(endpoint.url)
        url = urlunsplit((configured.scheme, configured.netloc, own.path, own.query, ""))
        moved[protocol] = NativeEndpoint(url, endpoint.key_header)
    return moved
