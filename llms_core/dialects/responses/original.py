"""Requests that are passed on to a provider of this API, as the client wrote them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from llms_core.contracts.body import DeferredBody, RequestBody
from llms_core.contracts.native import RESPONSES, NativeRequest
from llms_core.contracts.request import ChatBody
from llms_core.dialects import IncomingRequest, RawHeaders
from llms_core.dialects.envelope import may_hold_envelope
from llms_core.dialects.responses.context import Context, new_response_id
from llms_core.dialects.responses.items import Item
from llms_core.dialects.responses.schema import ResponsesRequest
from llms_core.dialects.responses.tools import Toolset

#: Everything else is between the client and the gateway, above all the keys.
_FORWARDED = frozenset({b"openai-beta"})

_MAX_CALL_ID = 64

#: A JSON text that begins and ends like an object.
_OBJECT_AS_TEXT = re.compile(rb'"\s*\{.*\}\s*"', re.DOTALL)


class _Identified(msgspec.Struct):
    id: Any = None


_decode = msgspec.json.Decoder(_Identified).decode


def original(incoming: IncomingRequest, request: ResponsesRequest) -> NativeRequest | None:
    """Return the request for a provider of this API; None if the client returns something that this gateway wrote.

    That is an envelope with another provider's reasoning. Nor is it passed on if a call can only be another model's,
    because OpenAI refuses such ids and arguments.
    """
    if may_hold_envelope(incoming.body) or not _all_calls_are_own(request.input):
        return None
    return NativeRequest(RESPONSES, incoming.body, _forwarded_headers(incoming.headers))


def _all_calls_are_own(items: str | Sequence[Item]) -> bool:
    """Whether calls have names, unique ids of no more than 64 characters, and arguments that look like objects.

    Nothing more of the arguments is checked: agents send hundreds of calls with each request.
    """
    if isinstance(items, str):
        return True
    ids = set()
    for item in items:
        if item.type != "function_call":
            continue
        if (
            not item.name
            or not item.call_id
            or len(item.call_id) > _MAX_CALL_ID
            or item.call_id in ids
        ):
            return False
        ids.add(item.call_id)
        if _OBJECT_AS_TEXT.fullmatch(item.arguments) is None:
            return False
    return True


def passed_on(
    body: RequestBody[ResponsesRequest],
    native: NativeRequest,
    translate: Callable[[], ChatBody],
    *,
    caller: str,
    stored: bool,
) -> ChatBody:
    """Return a request that providers of this API get as it is, and that is only translated for others."""
    context = Context(
        id=new_response_id(),
        request=body,
        toolset=Toolset(),
        caller=caller,
        stored=stored,
        shows_summary=False,
        shows_logprobs=False,
    )
    view = body.view
    return DeferredBody(
        native,
        translate,
        model=view.model,
        stream=bool(view.stream),
        context=context,
        written=body.members,
    )


def id_of(response: bytes) -> str:
    """Return the id of a response; empty if it has none, so that nothing can refer to it."""
    found = _decode(response).id
    if isinstance(found, str):
        return found
    return ""


def _forwarded_headers(headers: RawHeaders) -> Mapping[str, str]:
    return {name.decode(): value.decode("latin-1") for name, value in headers if name in _FORWARDED}
