"""Checks what an adapter returned: its author may not use a type checker."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from llms_core.errors import ErrorKind, PluginError, ProviderError
from llms_core.failure import classify
from llms_core.provider import Headers, UpstreamRequest

T = TypeVar("T")


def expect(kind: type[T] | tuple[type[T], ...], value: object, method: str, what: str = "") -> T:
    """Return `value` if it is of this type.

    Raises PluginError, which names the adapter's method; it makes this attempt fail and no other.
    """
    if isinstance(value, kind):
        return value
    if inspect.iscoroutine(value):
        value.close()  # the method is async by mistake: close it, since it is never awaited
    wanted = what or (kind.__name__ if isinstance(kind, type) else "")
    raise PluginError(f"`{method}` returned a {type(value).__name__} as {wanted}")


def requested(
    make: Callable[[Any, Any], UpstreamRequest], adapter: Any, call: Any
) -> UpstreamRequest:
    """Return the request that an adapter makes of a call.

    Raises ProviderError for a call with a value that the adapter cannot read: a request is passed on with members that
    nobody has decoded, and in JSON a number may have any size. Another provider may take it. Raises PluginError if the
    request has the wrong type.
    """
    try:
        request = make(adapter, call)
    except msgspec.DecodeError as error:
        message = f"The request has a value that this provider's adapter cannot read: {error}"
        raise ProviderError(ErrorKind.INVALID_REQUEST, message) from None
    return checked_request(request)


def checked_request(request: UpstreamRequest) -> UpstreamRequest:
    """Return an adapter's request if all of its members have the right types. Raises PluginError."""
    if (
        type(request) is UpstreamRequest
        and type(request.url) is str
        and type(request.headers) is dict
        and type(request.content) is bytes
        and request.dropped == ()
    ):
        return request
    expect(UpstreamRequest, request, "request")
    expect(str, request.url, "request", "url")
    expect(dict, request.headers, "request", "headers")
    expect(bytes, request.content, "request", "content")
    expect(tuple, request.dropped, "request", "dropped")
    for name in request.dropped:
        expect(str, name, "request", "an item of dropped")
    return request


def refusal(adapter: Any, status: int, headers: Headers, body: bytes) -> ProviderError:
    """Return what a response means that is no answer, by the adapter's `error` if it has one."""
    read = getattr(adapter, "error", None)
    if read is None:
        return classify(status, headers, body)
    return expect(ProviderError, read(status, headers, body), "error")
